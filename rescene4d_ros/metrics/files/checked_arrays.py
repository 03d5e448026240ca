"""Checked arrays of a file: errors name the file, the array and the remedy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
import zipfile
import zlib

import numpy as np
from rescene4d_ros.errors import FileFormatError

HELP = 'see docs/reference/score_card.md for the arrays'


class CheckedArrays(Mapping[str, np.ndarray]):
    """
    The arrays of one `.npz` file, each checked on access.

    Raises
    ------
    FileFormatError
        From every method; naming the file, the array, what was expected and what came.

    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            loaded = np.load(path, allow_pickle=False)
            if not isinstance(loaded, np.lib.npyio.NpzFile):
                raise FileFormatError(
                    f'{path}: expected a .npz of several arrays, got one array; {HELP}'
                )
            with loaded:
                self._arrays = {name: loaded[name] for name in loaded.files}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise FileFormatError(
                f'{path}: expected a whole .npz file without pickles, got {error}; {HELP}'
            ) from error

    def __getitem__(self, name: str) -> np.ndarray:
        return self._arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._arrays)

    def __len__(self) -> int:
        return len(self._arrays)

    def integers(self, name: str, *shape: int | None) -> np.ndarray:
        """Return an array of int64; in `shape` None = any length."""
        return self._take(name, 'iu', 'integers', shape).astype(np.int64, copy=False)

    def floats(self, name: str, *shape: int | None) -> np.ndarray:
        """Return an array of float64; in `shape` None = any length."""
        return self._take(name, 'fiu', 'numbers', shape).astype(np.float64)

    def check(self, is_right: bool | np.bool, name: str, expected: str, got: object) -> None:
        """Raise an error with file, array and expectation unless a condition holds."""
        if not is_right:
            raise FileFormatError(f'{self.path}: {name}: expected {expected}, got {got}; {HELP}')

    def _take(self, name: str, kinds: str, text: str, shape: tuple[int | None, ...]) -> np.ndarray:
        self.check(
            name in self,
            name,
            f'an array of {text}',
            f'only {", ".join(sorted(self)) or "nothing"}',
        )
        array = self[name]
        if array.size == 0 and array.dtype.kind in 'fiu':
            kinds += 'f'  # NumPy makes an empty list an array of floats
        fits = array.ndim == len(shape) and all(n in (None, m) for n, m in zip(shape, array.shape))
        expected = '(' + ', '.join('any' if n is None else str(n) for n in shape) + ')'
        self.check(
            array.dtype.kind in kinds and fits,
            name,
            f'{text} of shape {expected}',
            f'{array.dtype} {array.shape}',
        )
        return array
