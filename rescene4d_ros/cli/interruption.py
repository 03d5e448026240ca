"""What ^C and SIGTERM ask of a long command: to end where it can go on from."""

from __future__ import annotations

import signal
import time
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
PATIENCE_S = 5.0  # torchrun hands on the ^C that the terminal has sent already


class Interruption:
    """
    Note ^C and SIGTERM (torchrun, Slurm) within a `with` until the command looks.

    One that comes `PATIENCE_S` or more after the first does what it would without this.

    Attributes
    ----------
    code : int
        Exit code of a command that a signal ended, as a shell tells it; 0 = there was none.

    """

    def __init__(self):
        self.code = 0
        self._since = 0.0
        self._before = {}

    def __enter__(self) -> Interruption:
        """Begin to note."""
        self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_) -> None:
        """Leave signals to whom they were left before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        """Remember the first signal, give way to a late one."""
        if not self.code:
            self.code, self._since = 128 + number, time.monotonic()
        elif time.monotonic() - self._since >= PATIENCE_S:
            self.__exit__()
            signal.raise_signal(number)
