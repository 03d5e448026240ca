"""Part of `rescene4d bench segmenter`: sparse convolutions compared with those of libraries."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
import math
from multiprocessing import get_context
import os
import pickle
import time
from typing import Any

import numpy as np
from rescene4d_ros.cli.bench.library_interface import Library, Native
from rescene4d_ros.cli.bench.side_by_side import MAPS, Side, side_by_side, SideHere
from rescene4d_ros.cli.bench.sparse_libraries import LIBRARIES, library_version
from rescene4d_ros.cli.bench.throughput import Convolution, PASSES
from rescene4d_ros.processes import end_with_parent
from rich.table import Column, Table
import torch

MEASURED = (MAPS, *PASSES)
# Reordered sums of some hundred products differ by about 1e-6, a wrong row by about 1.
SAME = 1e-4
ASLEEP = 0.02  # s; idle OpenMP threads spin for some milliseconds


def measure_libraries(
    names: Sequence[str],
    layers: list[Convolution],
    repeats: int,
    clock: Callable[[], float],
    threads: int,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """
    Measure libraries and our implementation alternately, each in its own process.

    Libraries have their own OpenMP runtimes, which slow each other down in one process.

    Parameters
    ----------
    names : sequence of str
        Of `LIBRARIES`.
    layers : list of Convolution
        Of one pass of a U-Net on the CPU.
    repeats : int
        The fastest run counts.
    clock : callable
        Returns seconds; a module function, so that other processes can import it.
    threads : int
        Of each.

    Yields
    ------
    str, dict
        Name, and for JSON: 'version', 'ours_s', 'theirs_s' and 'ratios' by `MEASURED`, 'layers'
        (the same layer by layer), 'difference' (None where not finite), 'equal'; or only
        'missing': the reason why it cannot be measured.

    """
    # As bytes, because tensors would be shared with the other processes.
    open_side = partial(_own_process, pickle.dumps(layers), clock, threads)
    with open_side(Native) as ours:
        for name in names:
            yield name, _measure(name, ours, open_side, layers, repeats)


def _measure(
    name: str, ours: Side, open_side: Callable, layers: list[Convolution], repeats: int
) -> dict[str, Any]:
    """Measure one library; see `measure_libraries`."""
    try:
        with open_side(LIBRARIES[name]) as theirs:
            measured = side_by_side(layers, ours, theirs, repeats)
            found = theirs.version(name)
    except Exception as error:  # an unsupported layer must not end the measurement
        return {'missing': str(error) or type(error).__name__}
    return {
        'version': found,
        **asdict(measured),
        'ratios': measured.ratios,
        'difference': measured.difference if math.isfinite(measured.difference) else None,
        'equal': measured.difference <= SAME,
    }


class _SideElsewhere:
    """A `Side` in another process."""

    def __init__(self, pool: ProcessPoolExecutor, *made_of):
        self._pool = pool
        self.finds_neighbors = pool.submit(_open, *made_of).result()

    def results(self, layer: int, seed: int) -> list[np.ndarray]:
        """Compute in the other process."""
        return self._pool.submit(_ask, 'results', layer, seed).result()

    def seconds(self, layer: int, backward: bool) -> float:
        """Measure in the other process, after the threads of this side are idle."""
        time.sleep(ASLEEP)
        return self._pool.submit(_ask, 'seconds', layer, backward).result()

    def maps_seconds(self) -> float:
        """Measure in the other process, after the threads of this side are idle."""
        time.sleep(ASLEEP)
        return self._pool.submit(_ask, 'maps_seconds').result()

    def version(self, name: str) -> str:
        """Return the version of the library in the other process."""
        return self._pool.submit(library_version, name).result()


@contextmanager
def _own_process(
    layers: bytes, clock: Callable[[], float], threads: int, library: type[Library]
) -> Iterator[_SideElsewhere]:
    """Open a library in a process that ends with the context."""
    with ProcessPoolExecutor(1, get_context('spawn'), end_with_parent) as pool:
        yield _SideElsewhere(pool, layers, clock, threads, library)


_opened: list[Side] = []  # set in worker processes only


def _open(layers: bytes, clock: Callable[[], float], threads: int, library: type[Library]) -> bool:
    """Create the side of this process; return whether it finds neighbors."""
    os.environ['OMP_NUM_THREADS'] = str(threads)  # for OpenMP runtimes of the library
    torch.set_num_threads(threads)
    _opened.append(SideHere(library, pickle.loads(layers), clock))
    return _opened[0].finds_neighbors


def _ask(method: str, *arguments) -> Any:
    """Call the side of this process."""
    return getattr(_opened[0], method)(*arguments)


def library_table(against: dict[str, dict[str, Any]], setting: str) -> Table:
    """Return the table of seconds of each library and ours; missing or wrong ones are marked."""
    table = Table(
        Column('library', no_wrap=True),
        *(name.replace('_', ' ') for name in MEASURED),
        'results',
        title=f'convolutions, seconds of a library / ours = times as long: {setting}',
    )
    for name, found in against.items():
        if 'missing' in found:
            table.add_row(name, *('-' for _ in MEASURED), f'missing: {found["missing"]}')
            continue
        table.add_row(
            f'{name}\n{found["version"]}',
            *(_seconds(found, measured) for measured in MEASURED),
            'equal' if found['equal'] else f'WRONG by {found["difference"]}',
        )
    return table


def _seconds(found: dict[str, Any], measured: str) -> str:
    """Return one cell."""
    if measured not in found['ratios']:
        return 'takes ours'
    return (
        f'{found["theirs_s"][measured]:.3f} / {found["ours_s"][measured]:.3f} = '
        f'{found["ratios"][measured]:.2f}'
    )
