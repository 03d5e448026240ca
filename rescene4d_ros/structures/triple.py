"""Three numbers as a tuple: sizes, places and colors of frozen dataclasses."""

from __future__ import annotations

from collections.abc import Iterable
from typing import SupportsFloat


def triple(values: Iterable[SupportsFloat]) -> tuple[float, float, float]:
    """Return three numbers, of an array for example, as floats of Python."""
    first, second, third = (float(value) for value in values)
    return first, second, third
