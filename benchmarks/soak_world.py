"""What the soak does to a node: clouds of every kind, its process, and the disk under it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import resource
import signal
import subprocess
import sys

import numpy as np
from rescene4d_ros.data.readers.point_cloud2 import cloud_array
from rescene4d_ros.inference.weights_file import save_weights, WeightsInfo
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.node.messages.conversions import create_cloud, fields_of, time_to_msg
from rescene4d_ros.structures import Scan
from sensor_msgs.msg import PointCloud2
from std_msgs.msg import Header
import torch

BOX = np.array([0.5, 0.5, 0.6])  # m; of the things in the room
ROOM = 3.0  # m; edge of the floor


def make_room(rng: np.random.Generator, stamp_ns: int, n_points: int = 6000) -> Scan:
    """Return a floor with three boxes, of which one stands somewhere else each time."""
    places = [(0.3, 0.3), (2.0, 0.4), tuple(rng.uniform(0.4, 2.2, 2))]
    share = n_points // 4
    n_floor = n_points - 3 * share
    parts = [np.column_stack([rng.random((n_floor, 2)) * ROOM, np.zeros(n_floor)])]
    for place in places:
        points = rng.random((share, 3))
        axis = rng.integers(0, 3, share)
        points[np.arange(share), axis] = rng.integers(0, 2, share)
        parts.append(points * BOX + [*place, 0.0])
    colors = np.repeat(rng.integers(40, 220, (4, 3)), [len(p) for p in parts], axis=0)
    return Scan(np.concatenate(parts).astype(np.float32), stamp_ns, colors.astype(np.uint8))


def message_of(scan: Scan) -> PointCloud2:
    """Return a scan as a mapping system would publish it."""
    points = cloud_array(scan)
    header = Header(stamp=time_to_msg(scan.stamp_ns), frame_id='map')
    return create_cloud(header, fields_of(points), points)


def spoil(rng: np.random.Generator, message: PointCloud2) -> PointCloud2:
    """Return a cloud that cannot be used, in one of many ways."""
    kind = rng.integers(0, 10)
    if kind == 0:
        message.fields[rng.integers(0, 3)].offset = int(rng.choice([2**31 - 1, 2**32 - 1, 4096]))
    elif kind == 1:
        message.fields[0].datatype = int(rng.choice([0, 1, 9, 255]))
    elif kind == 2:
        message.fields[0].count = int(rng.choice([0, 3, 2**32 - 1]))
    elif kind == 3:
        message.data = message.data[: len(message.data) // 2]
    elif kind == 4:
        message.width, message.height = 2**32 - 1, 2**32 - 1
    elif kind == 5:
        message.point_step = int(rng.choice([0, 1, 2**32 - 1]))
    elif kind == 6:
        message.header.frame_id = 'a frame that nobody knows'
    elif kind == 7:
        message.header.stamp.sec = 2**31 - 1
    elif kind == 8:
        message.header.stamp.sec = message.header.stamp.nanosec = 0
    else:
        message.fields = message.fields[:2]
    return message


def make_weights(path: Path) -> Path:
    """Write a small untrained network: quick, and it finds something."""
    torch.manual_seed(0)
    config = ModelConfig(
        backbone='tiny',
        voxel_size=0.1,
        n_classes=3,
        hidden_dim=32,
        n_heads=4,
        ffn_dim=64,
        n_queries=12,
    )
    save_weights(path, ReScene4D(config), WeightsInfo(('chair', 'table', 'box')))
    return path


class NodeProcess:
    """
    Run the node as a process of its own, again after every kill.

    Parameters
    ----------
    folder : Path
        Where its log goes.
    params : mapping of str to value
        ROS parameters.

    """

    def __init__(self, folder: Path, params: dict):
        self._log = (folder / 'node.log').open('a')
        self._command = [sys.executable, '-m', 'rescene4d_ros.node.main', '--ros-args']
        self._command += [a for k, v in params.items() for a in ('-p', f'{k}:={v}')]
        self.deaths: list[int] = []  # exit codes that nobody asked for
        self.lives = 0
        self.start()

    def start(self) -> None:
        """Start it."""
        self.lives += 1
        self._process = subprocess.Popen(self._command, stdout=self._log, stderr=subprocess.STDOUT)

    def kill(self) -> None:
        """SIGKILL."""
        self.check()
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGINT; return the exit code, that of SIGKILL where it does not end in 5 minutes."""
        self._process.send_signal(signal.SIGINT)
        try:
            return self._process.wait(300)
        except subprocess.TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def check(self) -> bool:
        """Return whether it runs; one that ended by itself is noted and started again."""
        code = self._process.poll()
        if code is None:
            return True
        self.deaths.append(code)
        self.start()
        return False

    @property
    def rss_mb(self) -> float:
        """Return its resident memory."""
        try:
            pages = int(Path(f'/proc/{self._process.pid}/statm').read_text().split()[1])
        except (OSError, IndexError):
            return 0.0
        return pages * os.sysconf('SC_PAGE_SIZE') / 1e6

    def limit_files(self, n_bytes: int | None) -> None:
        """Let no file of the process grow beyond a size, or all again."""
        limit = resource.RLIM_INFINITY if n_bytes is None else n_bytes
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


class Disk:
    """A tmpfs of its own where mounting is allowed, else a folder that is renamed and limited."""

    def __init__(self, folder: Path, megabytes: int):
        self.path = folder / 'disk'
        self.path.mkdir(parents=True)
        command = ['mount', '-t', 'tmpfs', '-o', f'size={megabytes}m', 'tmpfs', str(self.path)]
        self.is_mount = subprocess.run(command, capture_output=True, check=False).returncode == 0

    @contextmanager
    def full(self, node: NodeProcess) -> Iterator[None]:
        """Have no room for a while."""
        if not self.is_mount:
            node.limit_files(4096)
            yield
            node.limit_files(None)
            return
        ballast = self.path / 'ballast'
        with ballast.open('wb', buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                pass
        yield
        ballast.unlink()

    @contextmanager
    def away(self, memory: Path) -> Iterator[None]:
        """Have no folder of the memory for a while; a mount in use cannot be taken away."""
        hidden = memory.with_name('away')
        memory.rename(hidden)
        yield
        hidden.rename(memory)

    def close(self) -> None:
        """Unmount."""
        if self.is_mount:
            subprocess.run(['umount', '-l', str(self.path)], check=False)
