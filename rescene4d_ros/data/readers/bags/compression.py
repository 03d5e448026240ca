"""What recordings are compressed with, unpacked up to a limit."""

from __future__ import annotations

import bz2
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import sys
from tempfile import TemporaryDirectory

from lz4.frame import LZ4FrameDecompressor
from rescene4d_ros.errors import FileFormatError

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ZSTD_MARK = b'\x28\xb5\x2f\xfd'
MAX_MESSAGE = 1 << 30  # bytes
MAKERS = {'zstd': zstd.ZstdDecompressor, 'lz4': LZ4FrameDecompressor, 'bz2': bz2.BZ2Decompressor}
BLOCK = 1 << 20  # bytes
MAX_RATIO = 1000  # of a file unpacked to packed; clouds reach 20
SMALL = 64 << 20  # bytes; what unpacks to no more is no bomb


def unpack(kind: str, data: bytes, size: int, cut: bool = False) -> bytes:
    """
    Unpack compressed data.

    Parameters
    ----------
    kind : str
        'zstd', 'lz4', 'bz2', or '' or 'none' for data as they are.
    data : bytes
    size : int
        Bytes it must give.
    cut : bool
        Whether the end may be missing; then what is there is returned.

    Raises
    ------
    ValueError
        Another kind, damaged data, or another size.

    """
    if kind in ('', 'none'):
        plain = data
    elif kind not in MAKERS:
        raise ValueError(f'compressed by {kind[:20]!r}')
    else:
        try:
            plain = MAKERS[kind]().decompress(data, max_length=min(size, _most(data)) + 1)
        except Exception as error:  # of any kind: each library has its own
            raise ValueError(f'damaged data ({error or type(error).__name__})') from error
    if len(plain) > size or (len(plain) < size and not cut):
        raise ValueError(f'{len(plain)} bytes in the place of {size}')
    return plain


def unpack_message(data: bytes) -> bytes:
    """Return a message's data; rosbag2 can compress each on its own."""
    if not data.startswith(ZSTD_MARK):
        return data
    decompressor = zstd.ZstdDecompressor()
    try:
        plain = decompressor.decompress(data, max_length=_most(data))
    except Exception as error:
        raise ValueError(f'damaged data ({error or type(error).__name__})') from error
    if not decompressor.eof:
        raise ValueError('data that are cut off, or unpack to too much')
    return plain


def _most(data: bytes) -> int:
    """Return how many bytes data may unpack to."""
    return min(MAX_MESSAGE, max(SMALL, MAX_RATIO * len(data)))


@contextmanager
def unpacked_file(path: Path) -> Iterator[Path]:
    """
    Give a file that holds what a .zstd file holds, or the file itself.

    Raises
    ------
    FileFormatError
        Damaged data.

    """
    if path.suffix.lower() != '.zstd':
        yield path
        return
    with TemporaryDirectory(prefix='rescene4d-') as folder:
        plain = Path(folder) / path.stem
        try:
            with zstd.open(path) as packed, open(plain, 'wb') as file:
                most = max(SMALL, MAX_RATIO * path.stat().st_size)
                while block := packed.read(BLOCK):
                    if file.tell() > most:
                        raise FileFormatError(
                            f'{path}: expected a recording, got data that unpack to more than '
                            f'{MAX_RATIO} times their size; record it again'
                        )
                    file.write(block)
        except (zstd.ZstdError, EOFError) as error:
            if not plain.stat().st_size:
                raise FileFormatError(
                    f'{path}: expected a file compressed by zstd, got damaged data ({error}); '
                    'copy it again'
                ) from error
        yield plain
