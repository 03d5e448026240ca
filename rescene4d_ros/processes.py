"""How processes of this package that help another one end with it."""
from __future__ import annotations

import ctypes
import signal

PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of prctl


def end_with_parent(*_) -> None:
    """
    Ask Linux to end this process when the one that started it ends, also by a SIGKILL.

    For pools and data loaders, whose processes would otherwise work on, or wait for ever. Does
    nothing on other systems.
    """
    prctl = getattr(ctypes.CDLL(None), 'prctl', None)
    if prctl is not None:
        prctl(PARENT_DEATH_SIGNAL, signal.SIGKILL)
