"""What a check of a cloud found: measured, expected, what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Severity(Enum):
    """How much a finding says about a cloud."""

    INFO = 'info'  # done and told: a few points were dropped
    WARNING = 'warning'  # results are less sure than usual
    REFUSED = 'refused'  # results would be wrong; the cloud is not taken unless told otherwise


@dataclass(frozen=True)
class Finding:
    """
    Hold one outcome of reading or checking a cloud.

    Attributes
    ----------
    code : str
        Stable name for programs, such as 'unit' or 'overlap'.
    severity : Severity
    measured, expected : str
        Values with their units.
    remedy : str
        What to do about it; empty where nothing needs to be done.

    """

    code: str
    severity: Severity
    measured: str
    expected: str
    remedy: str = ''

    def __str__(self) -> str:
        """Return one line: expected, got, what to do."""
        remedy = f'; {self.remedy}' if self.remedy else ''
        return f'{self.code}: expected {self.expected}, got {self.measured}{remedy}'

    def as_dict(self) -> dict[str, str]:
        """Return the values as plain text, for JSON and the memory."""
        return {
            'code': self.code,
            'severity': self.severity.value,
            'measured': self.measured,
            'expected': self.expected,
            'remedy': self.remedy,
        }

    @classmethod
    def from_dict(cls, values: dict[str, str]) -> Finding:
        """Return the finding that `as_dict` wrote."""
        return cls(
            values['code'],
            Severity(values['severity']),
            values['measured'],
            values['expected'],
            values['remedy'],
        )
