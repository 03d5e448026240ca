"""What segmenting costs: seconds per stage, visits cached or anew, memory by number of visits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count, product
from pathlib import Path

from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.segmenter import Segmenter, STAGES
from rescene4d_ros.structures import Scan
import torch

PROCESS_STATUS = Path('/proc/self/status')
GIB = 2**30


class Stopwatch:
    """
    Sum up seconds per stage.

    Parameters
    ----------
    clock : callable
        Returns seconds, such as `time.perf_counter`.

    Attributes
    ----------
    seconds : dict of str to float
        By stage, since the last `restart`.

    """

    def __init__(self, clock: Callable[[], float]):
        self.clock = clock
        self.seconds: dict[str, float] = {}
        self.restart()

    def restart(self) -> None:
        """Begin anew."""
        self.seconds = dict.fromkeys(STAGES, 0.0)

    @contextmanager
    def __call__(self, stage: str) -> Iterator[None]:
        """Add what the body takes to a stage; GPUs finish first."""
        synchronize()
        start = self.clock()
        yield
        synchronize()
        self.seconds[stage] += self.clock() - start


def synchronize() -> None:
    """Wait until the GPU, if there is one, has done what it was told."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def stage_costs(
    config: InferenceConfig, scans: Sequence[Scan], repeats: int, clock: Callable[[], float]
) -> dict[str, dict[str, float]]:
    """
    Measure two visits: encoded anew, one of them cached, both cached.

    Parameters
    ----------
    config : InferenceConfig
    scans : sequence of 2 Scan
    repeats : int
        The fastest run counts, after one to warm up.
    clock : callable
        Returns seconds.

    Returns
    -------
    dict of str to dict of str to float, s
        'anew', 'one_cached' and 'cached', each with `STAGES` and 'total'.

    """
    watch = Stopwatch(clock)
    segmenter = Segmenter.load(config, watch)
    first, second = scans
    number = count()
    named = {
        'anew': lambda: None,
        'one_cached': lambda: ['first', f'second {next(number)}'],
        'cached': lambda: ['first', 'second'],
    }
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in named}
    segmenter.segment([first, second], ['first', 'second'])
    # In turn, so that what else the machine does meanwhile falls on all alike.
    for _, (name, keys) in product(range(repeats), named.items()):
        watch.restart()
        synchronize()
        start = clock()
        segmenter.segment([first, second], keys())
        synchronize()
        runs[name].append({**watch.seconds, 'total': clock() - start})
    return {name: min(of, key=lambda run: run['total']) for name, of in runs.items()}


def peak_memory(config: InferenceConfig, scans: Sequence[Scan]) -> float | None:
    """
    Measure the memory that a joint pass over cached visits needs at its peak.

    Run it in a process of its own, because memory that was used before is not given back. What
    encoding the visits needed does not count: the peak is reset after it.

    Parameters
    ----------
    config : InferenceConfig
    scans : sequence of T Scan

    Returns
    -------
    float or None, GiB
        Of the whole process, weights and libraries included; of the GPU where the network runs
        there. None where the system does not tell.

    """
    segmenter = Segmenter.load(replace(config, cache_visits=len(scans)))
    keys = list(range(len(scans)))
    segmenter.encode(scans, keys)
    if torch.cuda.is_available() and config.device != 'cpu':
        torch.cuda.reset_peak_memory_stats()
        segmenter.segment(scans, keys)
        return torch.cuda.max_memory_allocated() / GIB
    if not PROCESS_STATUS.exists():
        return None
    PROCESS_STATUS.with_name('clear_refs').write_text('5')  # peak := what is held now
    segmenter.segment(scans, keys)
    held = dict(line.split(':', 1) for line in PROCESS_STATUS.read_text().splitlines())
    return int(held['VmHWM'].split()[0]) * 1024 / GIB
