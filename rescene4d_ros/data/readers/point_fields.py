"""What fields of a cloud beside coordinates say: colors, and instances of another source."""

from __future__ import annotations

from collections.abc import Mapping
import re

import numpy as np
from rescene4d_ros.errors import ScanError
from rescene4d_ros.structures import Finding, GivenInstances, Severity
from rescene4d_ros.structures.segmentation import class_of_nyu40

INSTANCE = ('instance', 'instance_id', 'objectid')  # the last one is 3RScan's
CLASS = ('class', 'class_id')
NYU40 = 'nyu40'  # class ids of 3RScan
LARGEST = 2**53  # whole numbers up to here are exact in float64
HIGHEST = 1e6  # score; they are from 0 to 1, or logits
# What stands before the names of red, green and blue, the usual ones first.
QUALIFIERS = (
    '',
    'diffuse',
    'color',
    'colour',
    'col',
    'vertex',
    'point',
    'scalar',
    'rgb',
    'ambient',
)
SEPARATE = tuple(
    tuple(qualifier + channel for channel in channels)
    for qualifier in QUALIFIERS
    for channels in (('red', 'green', 'blue'), ('r', 'g', 'b'))
)
HARMONICS = ('fdc0', 'fdc1', 'fdc2')  # of Gaussian splats: color = 0.5 + HARMONIC * value
HARMONIC = 0.28209479177387814
# Words in the names of fields that hold a color in some way.
WORDS = ('rgb', 'rgba', 'bgr', 'color', 'colors', 'colour', 'colours', 'red', 'green', 'blue')
PACKED = ('rgb', 'rgba')
TOGETHER = ('rgb', 'color', 'colors', 'rgba')  # three or four values in one field
DIGITS = 8  # of a float32 in text; with fewer its bits are others
FEW = 100  # values whose digits are counted
ROUNDING = 1e-3  # how far a float may lie outside of its range


def given_of(
    columns: Mapping[str, np.ndarray], kept: np.ndarray, name: str
) -> GivenInstances | None:
    """
    Return the instances of a cloud; None where it has no field for them.

    Parameters
    ----------
    columns : mapping of str to ndarray (M,)
        By name in lower case.
    kept : ndarray (M,), bool
        Which points the scan has.
    name : str
        For messages to people.

    Raises
    ------
    ScanError
        A field of another kind, or instances that are no whole numbers.

    """
    field = next((n for n in INSTANCE if n in columns), None)
    if field is None:
        return None
    instance = _whole(columns[field][kept], field, name)
    class_id = None
    for key in (*CLASS, NYU40):
        if key in columns:
            ids = _whole(columns[key][kept], key, name)
            class_id = class_of_nyu40(ids) if key == NYU40 else ids
            class_id = np.clip(class_id, -1, np.iinfo(np.int32).max).astype(np.int32)
            break
    score = None
    if 'score' in columns:
        score = columns['score'][kept]
        good = score.ndim == 1 and score.dtype.kind in 'fiu'
        if not (good and (np.abs(score.astype(np.float64)) <= HIGHEST).all()):
            raise ScanError(
                f'{name}: expected score as one finite number per point, 0 to 1, got '
                f'{score.dtype.name} of shape {score.shape}; write float32 or leave it out'
            )
        score = score.astype(np.float32)
    return GivenInstances(instance, class_id, score)


def _whole(values: np.ndarray, field: str, name: str) -> np.ndarray:
    """Return a field as int64."""
    good = values.ndim == 1 and values.dtype.kind in 'iuf'
    if good:
        with np.errstate(invalid='ignore'):
            good = bool(
                ((values < LARGEST) & (values > -LARGEST) & (values == np.floor(values))).all()
            )
    if not good:
        raise ScanError(
            f'{name}: expected {field} as one whole number per point, got {values.dtype.name} of '
            f'shape {values.shape}; write int32, 0 where there is no instance'
        )
    return values.astype(np.int64)


def colors_of(
    columns: Mapping[str, np.ndarray], kept: np.ndarray, name: str, exact_text: bool = False
) -> tuple[np.ndarray | None, tuple[Finding, ...]]:
    """
    Return the colors of the kept points, and what a person should know about them.

    Types decide on the range: integers from 0 to 255, of 16 bits from 0 to 65535 where one is
    above 255; floats from 0 to 1, or to 255 where one is above 1.

    Parameters
    ----------
    columns : mapping of str to ndarray (M,) or (M, k)
        Names in lower case.
    kept : ndarray (M,), bool
    name : str
        For messages to people.
    exact_text : bool
        Whether packed colors are float64 that hold the digits of a text.

    Returns
    -------
    rgb : ndarray (N, 3), uint8, or None
    findings : tuple of Finding

    Raises
    ------
    ScanError
        Colors outside of every range.

    """
    plain = {re.sub('[^a-z0-9]', '', field): column for field, column in columns.items()}
    for names in SEPARATE:
        if all(n in plain and plain[n].ndim == 1 for n in names):
            return _scaled([plain[n][kept] for n in names], name)
    for together in TOGETHER:
        column = columns.get(together)
        if column is not None and column.ndim == 2 and column.shape[1] in (3, 4):
            return _scaled([column[kept, k] for k in range(3)], name)
    for packed in PACKED:
        if packed in columns and columns[packed].ndim == 1:
            column = columns[packed][kept]
            told = _rounded(column, packed) if exact_text else ()
            return unpacked(column, packed, name, 8 if exact_text else 4), told
    if all(n in plain and plain[n].ndim == 1 and plain[n].dtype.kind == 'f' for n in HARMONICS):
        values = [0.5 + HARMONIC * plain[n][kept].astype(np.float64) for n in HARMONICS]
        return _scaled([np.clip(v, 0, 1) for v in values], name)
    some = [n for n in columns if any(w in WORDS for w in re.split('[^a-z]+', n))]
    some += [n for n in ('r', 'g', 'b') if n in columns]
    if not some:
        return None, ()
    found = Finding(
        'color',
        Severity.WARNING,
        f'only {", ".join(some[:5])}',
        'red, green and blue, or rgb, for each point',
        'the cloud is taken as one without color; export red, green and blue',
    )
    return None, (found,)


def without_black(
    rgb: np.ndarray | None, findings: tuple[Finding, ...]
) -> tuple[np.ndarray | None, tuple[Finding, ...]]:
    """
    Return colors (N, 3) and findings; no colors, and a warning, where each point is black.

    A place for colors that nobody filled, or texts with too few digits for packed ones: black
    points would look like nothing that the network knows, those without color do not.
    """
    if rgb is None or not len(rgb) or rgb.any():
        return rgb, findings
    found = Finding(
        'color',
        Severity.WARNING,
        f'0 for red, green and blue of all {len(rgb)} points',
        'the color of each point',
        'the cloud is taken as one without color; fill the colors in, or export more digits',
    )
    return None, (*findings, found)


def unpacked(column: np.ndarray, field: str, name: str, widest: int = 4) -> np.ndarray:
    """
    Return (N, 3) uint8 colors of numbers 0xAARRGGBB, as PCL packs them.

    A float32 holds the bits of the number; so does a float64 where `widest` allows 8 bytes. Whole
    floats are the number itself, as in text files of PCL: as bits they would mean an alpha from
    63 to 79 of 255 at every point.

    Raises
    ------
    ScanError
        A type of another size.

    """
    good = column.dtype.kind in 'iuf' and 4 <= column.dtype.itemsize <= widest
    if good and column.dtype.kind == 'f':
        with np.errstate(invalid='ignore', over='ignore'):
            is_whole = (column >= 0) & (column < 2.0**32) & (column == np.rint(column))
            bits = column.astype('<f4').view('<u4')
        if is_whole.all():
            bits = column.astype(np.uint32)
    elif good:
        bits = column.astype(np.int64)
    if not good:
        raise ScanError(
            f'{name}: expected field {field!r} packed in 32 bits, got {column.dtype.name}; '
            'pack it as PCL does, or give red, green and blue'
        )
    return np.stack([bits >> 16 & 255, bits >> 8 & 255, bits & 255], axis=1).astype(np.uint8)


def _rounded(column: np.ndarray, field: str) -> tuple[Finding, ...]:
    """Say where a text has too few digits of floats whose bits are colors."""
    if column.dtype != np.float64:
        return ()
    values = np.unique(column[: 100 * FEW])[:FEW]
    digits = [len(f'{v:.9e}'.partition('e')[0].rstrip('0').lstrip('-0.')) - 1 for v in values]
    if len(values) < FEW // 10 or max(digits) >= DIGITS or (values == np.rint(values)).all():
        return ()
    return (
        Finding(
            'color',
            Severity.WARNING,
            f'{field} as floats of at most {max(digits)} digits',
            f'{DIGITS} digits or more, because their bits are the colors',
            'blue is wrong, with fewer digits green too; export with more digits, or as numbers',
        ),
    )


def _scaled(channels: list[np.ndarray], name: str) -> tuple[np.ndarray, tuple[Finding, ...]]:
    """Return (N, 3) uint8 colors of three channels of one range, and how many points had none."""
    if all(channel.dtype == np.uint8 for channel in channels):
        return np.stack(channels, axis=1), ()
    if any(channel.dtype.kind not in 'iuf' for channel in channels):
        raise ScanError(f'{name}: expected colors that are numbers, got {channels[0].dtype.name}')
    values = np.stack([channel.astype(np.float64) for channel in channels], axis=1)
    values, told = _without_nan(values)
    floats = any(channel.dtype.kind == 'f' for channel in channels)
    least, most = values.min(initial=0), values.max(initial=0)
    if floats and most <= 1 + ROUNDING:
        top = 1.0
    elif floats or most <= 255 or max(c.dtype.itemsize for c in channels) != 2:
        top = 255.0
    else:
        top = 65535.0
    if not (least >= -ROUNDING * top and most <= top * (1 + ROUNDING)):
        raise ScanError(
            f'{name}: expected colors from 0 to 255 (8 bit), 0 to 65535 (16 bit) or 0 to 1 '
            f'(float), got {values.min():g} to {values.max():g} as {channels[0].dtype.name}; '
            'scale the colors'
        )
    return np.rint(np.clip(values, 0, top) * (255 / top)).astype(np.uint8), told


def _without_nan(values: np.ndarray) -> tuple[np.ndarray, tuple[Finding, ...]]:
    """Return colors (N, 3), black at points without one, and how many those are."""
    without = np.isnan(values).any(axis=1)
    if not without.any() or without.all():
        return values, ()
    found = Finding(
        'color',
        Severity.WARNING,
        f'{int(without.sum())} of {len(values)} points whose color is NaN',
        'red, green and blue for each point',
        'these points are black; leave out what the camera did not see',
    )
    return np.where(without[:, None], 0.0, values), (found,)
