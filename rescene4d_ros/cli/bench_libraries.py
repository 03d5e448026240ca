"""Part of `rescene4d bench segmenter`: our sparse convolutions beside those of libraries."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
import math
from typing import Any

from rescene4d_ros.models.side_by_side import MAPS, side_by_side
from rescene4d_ros.models.throughput import Convolution, PASSES
from rescene4d_ros.sparse.libraries import LIBRARIES, library_version
from rich.table import Column, Table
import torch

MEASURED = (MAPS, *PASSES)
# Sums of some hundred products in another order differ by a millionth, a wrong row by about one.
SAME = 1e-4


def measure_library(name: str, layers: list[Convolution], repeats: int,
                    clock: Callable[[], float]) -> dict[str, Any]:
    """
    Measure one library beside ours.

    Parameters
    ----------
    name : str
        One of `LIBRARIES`.
    layers : list of Convolution
        Of one pass of a U-Net on the CPU.
    repeats : int
        The fastest run counts.
    clock : callable
        Returns seconds.

    Returns
    -------
    dict
        For JSON: 'version', 'ours_s', 'theirs_s' and 'ratios' by `MEASURED`, 'layers' (the same
        layer by layer), 'difference' (None where not finite), 'equal'; or 'missing' alone: why
        it cannot be measured.

    """
    try:
        measured = side_by_side(layers, LIBRARIES[name], repeats, torch.Generator().manual_seed(0),
                                clock)
    except Exception as error:  # what a library cannot do here is no reason to lose the rest
        return {'missing': str(error) or type(error).__name__}
    return {'version': library_version(name), **asdict(measured), 'ratios': measured.ratios,
            'difference': measured.difference if math.isfinite(measured.difference) else None,
            'equal': measured.difference <= SAME}


def library_table(against: dict[str, dict[str, Any]], setting: str) -> Table:
    """Return seconds of each library over ours; a row says where one is missing or wrong."""
    table = Table(Column('library', no_wrap=True),
                  *(name.replace('_', ' ') for name in MEASURED), 'results',
                  title=f'convolutions, seconds of a library / ours = times as long: {setting}')
    for name, found in against.items():
        if 'missing' in found:
            table.add_row(name, *('-' for _ in MEASURED), f'missing: {found["missing"]}')
            continue
        table.add_row(f'{name}\n{found["version"]}',
                      *(_seconds(found, measured) for measured in MEASURED),
                      'equal' if found['equal'] else f'WRONG by {found["difference"]}')
    return table


def _seconds(found: dict[str, Any], measured: str) -> str:
    """Return one cell."""
    if measured not in found['ratios']:
        return 'takes ours'
    return (f'{found["theirs_s"][measured]:.3f} / {found["ours_s"][measured]:.3f} = '
            f'{found["ratios"][measured]:.2f}')
