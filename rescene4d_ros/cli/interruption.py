"""Handling of ^C and SIGTERM in long commands: end where the run can be continued."""

from __future__ import annotations

import signal
import time
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE_S = 5.0  # torchrun forwards the ^C that the terminal has already sent


class Interruption:
    """
    Record ^C and SIGTERM (torchrun, Slurm) within a `with` block.

    A signal `PATIENCE_S` or more after the first has its default effect.

    Attributes
    ----------
    code : int
        Exit code of a command ended by a signal, as in a shell; 0 = no signal.

    """

    def __init__(self):
        self.code = 0
        self._since = 0.0
        self._before = {}

    def __enter__(self) -> Interruption:
        """Install the handlers."""
        self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_) -> None:
        """Restore the previous handlers."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        """Record the first signal; pass a late one to the previous handler."""
        if not self.code:
            self.code, self._since = 128 + number, time.monotonic()
        elif time.monotonic() - self._since >= PATIENCE_S:
            self.__exit__()
            signal.raise_signal(number)
