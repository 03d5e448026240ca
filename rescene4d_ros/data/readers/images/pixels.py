"""
Image messages to arrays, without ROS: raw, and as image_transport compresses them.

Any object with the fields of sensor_msgs/msg/Image or CompressedImage will do.
"""

from __future__ import annotations

from io import BytesIO
import struct
from typing import Any, NoReturn

import numpy as np
from PIL import Image, UnidentifiedImageError
from rescene4d_ros.data.readers.point_cloud2 import bytes_of
from rescene4d_ros.errors import ScanError

MILLIMETERS = 0.001  # m; unit of depth images of integers (REP 118)
DEPTHS = {'16UC1': 'u2', 'mono16': 'u2', '32FC1': 'f4'}
COLORS = {  # channels, and which of them are red, green and blue
    'rgb8': (3, (0, 1, 2)),
    'bgr8': (3, (2, 1, 0)),
    'rgba8': (4, (0, 1, 2)),
    'bgra8': (4, (2, 1, 0)),
    'mono8': (1, (0, 0, 0)),
    '8UC3': (3, (2, 1, 0)),
    '8UC1': (1, (0, 0, 0)),
}
QUANTIZED = struct.Struct('<iff')  # what compressedDepth puts in front: format, and two numbers
PNG = b'\x89PNG\r\n\x1a\n'
MOST_PIXELS = 64_000_000  # of one image
MOST_SHOWN = 40  # characters of a name from elsewhere


def depth_of(message: Any, name: str) -> np.ndarray:
    """
    Return the depths of an image message.

    Parameters
    ----------
    message : Image or CompressedImage
        16UC1 or mono16 in mm, or 32FC1 in m; compressed as `compressedDepth` with PNG.
    name : str
        For messages to people.

    Returns
    -------
    ndarray (H, W), float32, m
        0 = nothing measured.

    Raises
    ------
    ScanError
        Another encoding, or data that do not fit it.

    """
    if hasattr(message, 'format'):
        depth = _compressed_depth(message, name)
    else:
        encoding = str(message.encoding)
        if encoding not in DEPTHS:
            _refuse_encoding(name, encoding, DEPTHS, 'depth')
        depth = _raw(message, DEPTHS[encoding], 1, name)[:, :, 0]
    if depth.dtype.kind == 'u':
        return depth.astype(np.float32) * np.float32(MILLIMETERS)
    return np.where(np.isfinite(depth) & (depth > 0), depth, 0).astype(np.float32)


def color_of(message: Any, name: str) -> np.ndarray:
    """
    Return the colors of an image message.

    Parameters
    ----------
    message : Image or CompressedImage
        rgb8, bgr8, rgba8, bgra8 or mono8; compressed as JPEG or PNG.
    name : str
        For messages to people.

    Returns
    -------
    ndarray (H, W, 3), uint8

    Raises
    ------
    ScanError
        Another encoding, or data that do not fit it.

    """
    if hasattr(message, 'format'):
        with _opened(bytes_of(message.data, name), name) as image:
            return np.asarray(image.convert('RGB'))
    encoding = str(message.encoding)
    if encoding not in COLORS:
        _refuse_encoding(name, encoding, COLORS, 'color')
    channels, order = COLORS[encoding]
    return _raw(message, 'u1', channels, name)[:, :, order]


def _refuse_encoding(name: str, encoding: str, known: dict[str, Any], what: str) -> NoReturn:
    raise ScanError(
        f'{name}: expected a {what} image of encoding {", ".join(known)}, got '
        f'{encoding[:MOST_SHOWN]!r}; convert it, as image_proc does'
    )


def _raw(message: Any, kind: str, channels: int, name: str) -> np.ndarray:
    """Return the pixels (H, W, channels) of an image that is not compressed."""
    width, height, step = int(message.width), int(message.height), int(message.step)
    dtype = np.dtype(('>' if message.is_bigendian else '<') + kind)
    row = width * channels * dtype.itemsize
    data = bytes_of(message.data, name)
    if not 0 < width * height <= MOST_PIXELS or step < row or len(data) != step * height:
        raise ScanError(
            f'{name}: expected {height} rows of at least {row} bytes for {width} pixels, at most '
            f'{MOST_PIXELS} pixels in all, got rows of {step} bytes and {len(data)} bytes; the '
            'message is cut off or its numbers do not fit each other'
        )
    rows = np.ascontiguousarray(data.reshape(height, step)[:, :row])
    return rows.view(dtype).reshape(height, width, channels)


def _compressed_depth(message: Any, name: str) -> np.ndarray:
    """Return the depths (H, W) of what image_transport calls compressedDepth."""
    said = str(message.format)
    encoding, data = said.partition(';')[0].strip(), bytes_of(message.data, name).tobytes()
    head, content = data[: QUANTIZED.size], data[QUANTIZED.size :]
    if encoding not in DEPTHS or not content.startswith(PNG):
        raise ScanError(
            f'{name}: expected compressedDepth of 16UC1 or 32FC1 as PNG, got format '
            f'{said[:MOST_SHOWN]!r}; set the parameter compressedDepth.format of its publisher '
            'to png, or take the raw image'
        )
    with _opened(content, name) as image:
        if not image.mode.startswith('I'):
            raise ScanError(
                f'{name}: expected a PNG of 16 bits of gray, got mode {image.mode}; take the '
                'raw image'
            )
        pixels = np.asarray(image).astype(np.uint16)
    if DEPTHS[encoding] == 'u2':
        return pixels
    _, scale, offset = QUANTIZED.unpack(head)  # of the inverse of the depth
    with np.errstate(divide='ignore', invalid='ignore', over='ignore'):
        depth = np.float32(scale) / (pixels.astype(np.float32) - np.float32(offset))
    return np.where(pixels > 0, depth, 0).astype(np.float32)


def _opened(data: Any, name: str) -> Image.Image:
    """Return an image of which only the head is read yet; decoding it raises no other error."""
    try:
        image = Image.open(BytesIO(data))
        if image.width * image.height > MOST_PIXELS:
            raise ScanError(
                f'{name}: expected at most {MOST_PIXELS} pixels, got {image.width} x '
                f'{image.height}; publish a smaller image'
            )
        image.load()
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, struct.error) as error:
        raise ScanError(
            f'{name}: expected an image as JPEG or PNG, got data that are none ({error}); the '
            'message is cut off, or of a transport that is not supported'
        ) from error
    except Image.DecompressionBombError as error:
        raise ScanError(f'{name}: expected fewer pixels; publish a smaller image') from error
    return image
