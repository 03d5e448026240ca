"""Checks of the machine: shared memory, main memory, disk, GPU, weights, stored memory, time."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, UTC
import fcntl
import os
from pathlib import Path
import platform
import shutil
import sys
import time

from rescene4d_ros.cli.doctor.report import judged, Line, MIB, Verdict
from rescene4d_ros.errors import RescenError
from rescene4d_ros.inference.weights_file import read_header
from rescene4d_ros.inference.weights_folder import find_weights
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import VisitStatus

PYTHONS = ((3, 11), (3, 14))  # from, before
SEGMENT = 128 * MIB  # bytes; of one process, in config/fastdds.xml
PROCESSES = 3  # that send clouds: driver, visit builder, node
NETWORK_MEMORY = 2048 * MIB  # bytes; of the node with the shipped weights and a large room
LEAST_DISK = 1024 * MIB  # bytes; /diagnostics warns below it
EARLIEST = datetime(2024, 1, 1, tzinfo=UTC)  # a clock before it was never set


def python_line() -> Line:
    """Check the version of Python and name the architecture."""
    low, end = PYTHONS
    expected = f'Python {low[0]}.{low[1]} to {end[0]}.{end[1] - 1}'
    problem = '' if low <= sys.version_info[:2] < end else f'install {expected}'
    measured = f'{platform.python_version()} on {platform.machine()}'
    return judged('python', measured, expected, problem)


def shared_memory_line(folder: Path = Path('/dev/shm')) -> Line:
    """Check that the segments of Fast DDS fit, and count those that killed processes left."""
    expected = f'{PROCESSES * SEGMENT // MIB} MiB free ({SEGMENT // MIB} MiB per process)'
    if not folder.is_dir():
        remedy = 'mount a tmpfs there; without it large clouds go in pieces over UDP'
        return judged('shared memory', f'no {folder}', expected, remedy)
    free = shutil.disk_usage(folder).free
    left = sum(map(_is_left_behind, folder.glob('fast*_el')))  # fastdds_ or, before, fastrtps_
    problem = ''
    if left:
        problem = f'`fastdds shm clean`, or remove {folder}/fast* while no node runs'
    if free < PROCESSES * SEGMENT:
        problem = (
            'start the container with --shm-size=1g, or lower segment_size in a copy of '
            'config/fastdds.xml and name that in FASTDDS_DEFAULT_PROFILES_FILE'
        )
    return judged(
        'shared memory',
        f'{free // MIB} MiB free, {left} segments of killed processes',
        expected,
        problem,
        Verdict.FAIL if free < SEGMENT else Verdict.WARN,
    )


def _is_left_behind(lock: Path) -> bool:
    """Return whether no process holds the lock file of a segment any more."""
    try:
        with lock.open('rb') as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)  # given back as the file is closed
    except OSError:
        return False
    return True


def main_memory_line(status: Path = Path('/proc/meminfo')) -> Line:
    """Check that the network fits into main memory."""
    expected = f'{NETWORK_MEMORY // MIB} MiB available'
    try:
        words = [line.split() for line in status.read_text().splitlines()]
        available = next(int(w[1]) << 10 for w in words if w[0] == 'MemAvailable:')
    except (OSError, StopIteration):
        return judged('main memory', 'unknown on this system', expected)
    problem = '' if available >= NETWORK_MEMORY else 'stop other programs, or send fewer points'
    return judged('main memory', f'{available // MIB} MiB available', expected, problem)


def disk_line(memory: Path) -> Line:
    """Check that visits can be stored where the memory is or will be."""
    folder = next(p for p in (memory, *memory.absolute().parents) if p.exists())
    expected = f'a folder that can be written, {LEAST_DISK // MIB} MiB free'
    free = shutil.disk_usage(folder).free
    measured = f'{folder}: {free // MIB} MiB free'
    if not os.access(folder, os.W_OK):
        remedy = 'choose another folder, or change its owner or mount'
        return judged('disk', f'{measured}, read-only', expected, remedy, Verdict.FAIL)
    return judged('disk', measured, expected, '' if free >= LEAST_DISK else 'make room')


def gpu_line(device: str) -> Line:
    """Check the device on which the network is to run."""
    expected = 'CUDA' if device == 'cuda' else 'a CPU will do; CUDA is faster'
    try:
        import torch
    except (ImportError, OSError) as error:
        remedy = "pip install 'rescene4d_ros[network]'; inference.source given or none needs none"
        return judged('gpu', f'no torch ({error})', expected, remedy)
    measured = f'torch {torch.__version__}, '
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        measured += f'{torch.cuda.get_device_name()}, {free // MIB} of {total // MIB} MiB free'
        remedy = 'stop other programs on the GPU' if free < NETWORK_MEMORY else ''
        return judged('gpu', measured, expected, remedy)
    measured += f'CPU, {os.cpu_count()} cores' + (
        '' if torch.version.cuda else ', built without CUDA'
    )
    remedy = 'install the CUDA build of torch and its driver (on Jetson the torch of JetPack)'
    return judged('gpu', measured, expected, remedy if device == 'cuda' else '', Verdict.FAIL)


def weights_line(wanted: str) -> Line:
    """Check that the weights can be read."""
    expected = 'a weights file of this package'
    try:
        path = find_weights(wanted)
        _, info = read_header(path)
    except RescenError as error:
        return judged(
            'weights', str(error), expected, 'see `rescene4d weights list`', Verdict.FAIL
        )
    measured = f'{path.name}, {path.stat().st_size // MIB} MiB, {len(info.class_names)} classes'
    return judged('weights', measured, expected)


def memory_lines(path: Path, url: str, now_ns: int) -> Iterator[Line]:
    """Check the stored memory, and that the clock of the machine is later than it."""
    expected = 'a memory of this version, or none yet'
    newest_ns = 0
    if not path.is_dir() or not any(path.iterdir()):
        yield judged('memory', f'{path}: none yet', expected)
    else:
        try:
            with SceneMemory.inspect(path, url or None) as memory:
                visits, objects = memory.visits(), len(memory.snapshot().objects)
                map_id = memory.metadata.map_id
        except RescenError as error:
            remedy = '`rescene4d memory check` says what is damaged, `repair` mends it'
            yield judged('memory', str(error), expected, remedy, Verdict.FAIL)
        else:
            n_failed = sum(v.status == VisitStatus.FAILED for v in visits)
            newest_ns = max((v.stamp_ns for v in visits), default=0)
            yield judged(
                'memory',
                f'{path}: map {map_id}, {len(visits)} visits ({n_failed} failed), '
                f'{objects} objects',
                expected,
                '`rescene4d memory show` names the failed visits' if n_failed else '',
            )
    yield time_line(now_ns, newest_ns)


def time_line(now_ns: int, newest_ns: int) -> Line:
    """Check that a visit of now would be the newest one."""
    earliest_ns = max(newest_ns, int(EARLIEST.timestamp()) * 10**9)
    problem = ''
    if now_ns < earliest_ns:
        problem = (
            'synchronize the clock (chrony, systemd-timesyncd); earlier visits are stored LATE'
        )
    return judged(
        'system time', _date(now_ns), f'after {_date(earliest_ns)}', problem, Verdict.FAIL
    )


def _date(ns: int) -> str:
    return time.strftime('%Y-%m-%d %H:%M:%S UTC', time.gmtime(ns / 1e9))
