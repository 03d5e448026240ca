"""
The folder of one comparison, which keeps finished predictions.

* `run.json`: settings of the predictions; other settings need another folder
* `predictions/METHOD/SEQUENCE.npz`: prediction files as of docs/reference/score_card.md
* `sequences/SEQUENCE.json`: checksum of the data, number of visits, seconds per method, t-SIM;
  written last: what it names is done
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
import json
from pathlib import Path
from typing import Any

from rescene4d_ros.atomic_write import atomic_write
from rescene4d_ros.errors import ConfigError, StorageError
from rescene4d_ros.metrics.files.score_files import read_prediction_file, write_prediction_file
from rescene4d_ros.metrics.sequences import PredictedSequence, TrueSequence


@dataclass(frozen=True)
class SequenceRecord:
    """
    Record of one finished or partly finished sequence.

    Attributes
    ----------
    sha256 : str
        Of the sequence file.
    n_visits : int
    seconds : dict of str to float
        Per finished method.
    similarity : dict or None
        Of `InstanceSimilarity.scores`; None = not computed.

    """

    sha256: str
    n_visits: int
    seconds: dict[str, float]
    similarity: dict[str, Any] | None = None


class ResultsFolder:
    """Predictions of a comparison, so that a killed run can be continued."""

    def __init__(self, path: Path):
        self.path = path

    def claim(self, made_with: Mapping[str, Any]) -> None:
        """
        Write the settings of the predictions, or compare with those written before.

        Raises
        ------
        ConfigError
            The folder holds predictions of other settings.
        StorageError
            The folder cannot be written, or is damaged.

        """
        path = self.path / 'run.json'
        expected = json.loads(json.dumps(dict(made_with)))
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                _write_json(path, expected)
            before = json.loads(path.read_text())
        except (OSError, ValueError) as error:
            raise StorageError(
                f'{path}: expected a folder that can be written and a whole file, '
                f'got {error}; use another --out'
            ) from error
        if not isinstance(before, dict) or before != expected:
            known = before if isinstance(before, dict) else {}
            other = sorted(
                k for k in known.keys() | expected.keys() if known.get(k) != expected.get(k)
            )
            differences = '; '.join(f'{k} {known.get(k)}, now {expected.get(k)}' for k in other)
            raise ConfigError(
                f'{self.path}: expected predictions of this run, got those of '
                f'another: {differences}; use another --out, or remove the folder'
            )

    def record(self, name: str, sha256: str) -> SequenceRecord | None:
        """Return the record of a sequence; None if there is none for this data."""
        try:
            record = SequenceRecord(**json.loads(self._record_path(name).read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise StorageError(
                f'{self._record_path(name)}: expected a whole record, got {error}; '
                'remove the file, its sequence is then computed again'
            ) from error
        done = {m: s for m, s in record.seconds.items() if self._prediction_path(name, m).exists()}
        return replace(record, seconds=done) if record.sha256 == sha256 else None

    def store(
        self, name: str, method: str, prediction: PredictedSequence, record: SequenceRecord
    ) -> None:
        """
        Store one prediction, then its record.

        Raises
        ------
        StorageError
            The disk refused the write.

        """
        path = self._prediction_path(name, method)
        with _told_of_refusals(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_prediction_file(path, prediction)
        self.store_record(name, record)

    def store_record(self, name: str, record: SequenceRecord) -> None:
        """
        Store the record of a sequence.

        Raises
        ------
        StorageError
            The disk refused the write.

        """
        path = self._record_path(name)
        with _told_of_refusals(path):
            path.parent.mkdir(exist_ok=True)
            _write_json(path, asdict(record))

    def prediction(self, name: str, method: str, truth: TrueSequence) -> PredictedSequence:
        """Return a stored prediction."""
        return read_prediction_file(self._prediction_path(name, method), truth)

    def _prediction_path(self, name: str, method: str) -> Path:
        return self.path / 'predictions' / method / f'{name}.npz'

    def _record_path(self, name: str) -> Path:
        return self.path / 'sequences' / f'{name}.json'


@contextmanager
def _told_of_refusals(path: Path) -> Iterator[None]:
    """Say what to do where the disk refuses a write."""
    try:
        yield
    except OSError as error:
        raise StorageError(
            f'{path}: cannot store a result ({error.strerror}); free the disk and run again, '
            'what is done is kept'
        ) from error


def _write_json(path: Path, document: dict) -> None:
    """Write a document that is there whole or not at all."""
    with atomic_write(path) as file:
        file.write(json.dumps(document, indent=1).encode() + b'\n')
