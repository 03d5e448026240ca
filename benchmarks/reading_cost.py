"""
What it costs to read the package: files that one visit passes through, and changes of file.

    .venv/bin/python benchmarks/reading_cost.py [--files] [--visit] [--pairs 10] [--node]

Prints three counts of source files of the package, each with those that hold more than a
docstring:

* loaded by `import rescene4d_ros.node.main`: imports at the head of a file, directly or not;
* that a visit passes through: these, and what functions import on the way of a visit that arrives
  in the order of stamps at a node with shipped weights and default parameters, from
  its configuration to its published results. Not counted is what only a request, a late visit or
  another value of a parameter reaches: `NOT_OF_VISITS` names it with the reason, and only an
  import within a function can be left out so;
* anywhere: every import in any function, also those for type checkers.

An `__init__` counts with each file of its package, `import_module` of a written-out name as an
import. A backbone that the shipped weights do not use is loaded by name and not counted.

`--node` checks the second count: a fresh process runs the node, sends it two clouds, and prints
what the package has loaded after the second visit; it fails if that is not the same set of files.

With `--visit` it also processes two visits of a room with four objects, of which one moves, and
counts what the second visit passes through in tracker, tracking, memory and geometry: files,
functions, and changes of file. A change of file is a call whose caller and callee are in different
files of the package.
"""

from __future__ import annotations

import argparse
import ast
from collections import Counter
from collections.abc import Callable, Collection
from enum import Enum
import os
from pathlib import Path
import subprocess
import sys
import tempfile
import time

import numpy as np

PACKAGE = 'rescene4d_ros'
MAIN = f'{PACKAGE}.node.main'
# Modules that functions import for what no visit in order passes through, and when they do.
NOT_OF_VISITS = {
    'rescene4d_ros.questions': 'the service ask_memory',
    'rescene4d_ros.memory.editing': 'the service correct_object',
    'rescene4d_ros.memory.maintenance': 'retention.thin_after',
    'rescene4d_ros.scene.reprocessing': 'a late visit, or the service reprocess',
    'rescene4d_ros.scene.parts_of_visits': 'a visit to one room of a floor that is known',
    'rescene4d_ros.node.deposits': 'fleet.url',
    'rescene4d_ros.node.optional': 'inference.source: given, detections, bond',
    'rescene4d_ros.node.messages.object_frames': 'object_frames',
    'rescene4d_ros.node.messages.observed_space': 'observed_space',
    'rescene4d_ros.class_lists': 'inference.classes',
    'rescene4d_ros.inference.weights_folder': 'inference.weights',
    'rescene4d_ros.inference.orientations': 'inference.orientations above 1',
    'rescene4d_ros.inference.tiles': 'visits of more floor than 3.5 inference.tile_size^2',
    'rescene4d_ros.tracking.regions.tiled_things': 'visits of more floor than 128 m^2',
    'rescene4d_ros.structures.free_space': 'visits with free cells',
    'rescene4d_ros.structures.local_light': 'visits of more floor than 128 m^2',
    'rescene4d_ros.geometry.floor.storeys': 'visits of at least 4 m of height',
    'rescene4d_ros.geometry.floor.local_views': 'visits of more floor than 128 m^2',
    'rescene4d_ros.inference.postprocess': 'inference.selection: queries or published',
    'rescene4d_ros.sparse.torchsparse_backend': 'inference.sparse_backend: torchsparse',
    'rescene4d_ros.models.superpoint_pooling': 'weights with superpoint_pooling max or gem',
    'rescene4d_ros.plausibility.small_motion': 'plausibility: register',
}
MOST_SECONDS = 600.0  # until a visit is processed
STEP = 0.035  # m; spacing of the points of the room
BOXES = (  # center x, y, then size x, y, z, in m, and color
    ((2.5, 2.5), (1.4, 0.8, 0.75), (150, 100, 60)),
    ((1.0, 1.0), (0.45, 0.5, 0.9), (200, 40, 40)),
    ((4.0, 1.0), (0.45, 0.5, 0.9), (40, 60, 200)),
    ((1.5, 4.6), (1.6, 0.45, 1.2), (230, 230, 220)),
)
MOVED = (BOXES[0], ((1.8, 1.6), *BOXES[1][1:]), *BOXES[2:])  # the second box, to there


class Where(Enum):
    """Where a file imports something."""

    HEAD = 'when it is loaded'
    FUNCTION = 'when a function is called'
    TYPES = 'for type checkers alone'


def closure(root: Path, follows: Callable[[str, Where], bool], main: str = MAIN) -> set[Path]:
    """Return the files that a module imports, directly or not, by imports to be followed."""
    waiting, found = [main], set()
    while waiting:
        for path in files_of(root, waiting.pop()):
            if path not in found:
                found.add(path)
                waiting += [name for name, where in imported(path) if follows(name, where)]
    return found


def when_loaded(name: str, where: Where) -> bool:
    """Return whether an import runs as its file is loaded."""
    return where == Where.HEAD


def of_visits(name: str, where: Where) -> bool:
    """Return whether an import is on the way of a visit."""
    if where == Where.FUNCTION:
        return not any(f'{name}.'.startswith(f'{door}.') for door in NOT_OF_VISITS)
    return where == Where.HEAD


def anywhere(name: str, where: Where) -> bool:
    """Return that every import counts."""
    return True


def files_of(root: Path, module: str) -> list[Path]:
    """Return the files that an imported name of the package makes Python read."""
    parts = module.split('.')
    if parts[0] != PACKAGE:
        return []
    prefixes = [root.joinpath(*parts[:k]) for k in range(1, len(parts) + 1)]
    candidates = [p for prefix in prefixes for p in (prefix / '__init__.py', _source(prefix))]
    return [path for path in candidates if path.is_file()]


def _source(module: Path) -> Path:
    """Return where the source of a module is, if it is no package."""
    return module.with_name(f'{module.name}.py')


def imported(path: Path) -> list[tuple[str, Where]]:
    """Return the names that a file imports; those of classes and functions find no file."""
    found: list[tuple[str, Where]] = []

    def read(node: ast.AST, where: Where) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            where = Where.FUNCTION
        elif isinstance(node, ast.If) and getattr(node.test, 'id', '') == 'TYPE_CHECKING':
            where = Where.TYPES
        elif isinstance(node, ast.Import):
            found.extend((alias.name, where) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            found.extend((f'{node.module}.{alias.name}', where) for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'import_module':
            found.extend((str(a.value), where) for a in node.args if isinstance(a, ast.Constant))
        for child in ast.iter_child_nodes(node):
            read(child, where)

    read(ast.parse(path.read_text()), Where.HEAD)
    return found


def has_code(path: Path) -> bool:
    """Return whether a file holds more than a docstring."""
    return any(not isinstance(node, ast.Expr) for node in ast.parse(path.read_text()).body)


class Trace:
    """Count files, functions and changes of file of the package while it is entered."""

    def __init__(self, root: Path):
        self._root = str(root / PACKAGE)
        self.functions: set[tuple[str, str, int]] = set()
        self.changes: Counter[tuple[str, str]] = Counter()

    def __enter__(self) -> Trace:
        """Begin to count."""
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_) -> None:
        """Stop."""
        sys.setprofile(None)

    def _count(self, frame, event: str, _argument) -> None:
        name = self._name(frame)
        if event != 'call' or name is None:
            return
        code = frame.f_code
        self.functions.add((name, code.co_name, code.co_firstlineno))
        caller = self._name(frame.f_back)
        if caller not in (None, name):
            self.changes[caller, name] += 1

    def _name(self, frame) -> str | None:
        path = frame.f_code.co_filename if frame is not None else ''
        return path[len(self._root) + 1 :] if path.startswith(self._root) else None


def scanned(boxes, stamp_ns: int):
    """Return the scan of a floor with boxes, and the box of each point, -1 = none."""
    from rescene4d_ros.structures import Scan

    rng = np.random.default_rng(stamp_ns)
    axis = np.arange(0, 5, STEP)
    floor = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    parts, labels, colors = [], [], []
    for number, (center, size, color) in enumerate(boxes):
        off = np.abs(floor - center)
        floor = floor[~(off < np.array(size[:2]) / 2).all(1)]
        grid = [np.arange(-s / 2, s / 2 + 1e-6, STEP) for s in size]
        points = np.stack(np.meshgrid(*grid), -1).reshape(-1, 3)
        shell = (np.abs(points[:, :2]) > np.array(size[:2]) / 2 - STEP).any(1)
        points = points[shell | (points[:, 2] > size[2] / 2 - STEP)]
        parts.append(points + (*center, size[2] / 2 + STEP))
        labels.append(np.full(len(points), number, np.int32))
        colors.append(np.tile(color, (len(points), 1)))
    parts.append(np.c_[floor, np.zeros(len(floor))])
    labels.append(np.full(len(floor), -1, np.int32))
    colors.append(np.full((len(floor), 3), 128))
    xyz = np.concatenate(parts)
    xyz = xyz + rng.normal(0, 0.003, xyz.shape)
    rgb = np.concatenate(colors).astype(np.uint8)
    return Scan(xyz.astype(np.float32), stamp_ns, rgb), np.concatenate(labels)


class TrueBoxes:
    """Give the boxes of each scan as instances."""

    def __init__(self, labels):
        self._labels = labels

    def segment(self, scans, keys):
        """Return the truth of some scans as a segmentation."""
        from rescene4d_ros.structures import Segmentation

        labels = tuple(self._labels[scan.stamp_ns] for scan in scans)
        probs = np.full((len(BOXES), 18), 0.01, np.float32)
        probs[np.arange(len(BOXES)), (4, 2, 2, 0)] = 0.83
        scores = np.full(len(BOXES), 0.9, np.float32)
        return Segmentation(
            labels, probs, scores, probs.copy(), tuple(np.ones(len(x), np.float32) for x in labels)
        )


def trace_visit(root: Path) -> Trace:
    """Process two visits of the room; return what the second one passes through."""
    from rescene4d_ros.memory.store import SceneMemory
    from rescene4d_ros.scene.tracker import SceneTracker
    from rescene4d_ros.structures import INSTANCE_CLASSES

    visits = [scanned(boxes, day * 86_400 * 10**9) for day, boxes in enumerate((BOXES, MOVED), 1)]
    segmenter = TrueBoxes({scan.stamp_ns: labels for scan, labels in visits})
    with (
        tempfile.TemporaryDirectory() as folder,
        SceneMemory.open(folder, 'room', 'map', INSTANCE_CLASSES) as memory,
    ):
        tracker = SceneTracker(memory, segmenter)
        tracker.add_visit(visits[0][0])
        with Trace(root) as trace:
            update = tracker.add_visit(visits[1][0])
    kinds = [change.kind.name for change in update.changes]
    if kinds != ['MOVED']:
        raise SystemExit(f'expected the second visit to show one object MOVED, got {kinds}')
    return trace


def run_node() -> None:
    """Run the node of the package on two visits of the room; print the files it has loaded."""
    import rclpy
    from rclpy.executors import SingleThreadedExecutor
    from rclpy.parameter import Parameter
    from rescene4d_ros.node.main import Rescene4DNode
    from rescene4d_ros.node.messages.interfaces import CHANGES, NODE_NAME, SNAPSHOTS
    from rescene4d_ros.node.ros_process import prepare

    prepare()
    rclpy.init()
    with tempfile.TemporaryDirectory() as folder:
        path = Parameter('memory.path', value=f'{folder}/memory')
        node, other = Rescene4DNode(parameter_overrides=[path]), rclpy.create_node('other')
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        executor.add_node(other)
        changes: list = []
        name = CHANGES.name.replace('~', f'/{NODE_NAME}')
        other.create_subscription(CHANGES.type, name, changes.append, CHANGES.qos())
        publisher = other.create_publisher(SNAPSHOTS.type, SNAPSHOTS.name, SNAPSHOTS.qos())
        node.autostart()
        for number, boxes in enumerate((BOXES, MOVED), 1):
            message = cloud_message(scanned(boxes, number * 86_400 * 10**9)[0])
            end = time.monotonic() + MOST_SECONDS
            while other.count_publishers(name) * publisher.get_subscription_count() == 0:
                executor.spin_once(timeout_sec=0.1)
            publisher.publish(message)
            while len(changes) < number:
                executor.spin_once(timeout_sec=0.1)
                if time.monotonic() > end:
                    raise SystemExit(f'expected visit {number} within {MOST_SECONDS} s, got none')
        node.trigger_deactivate()  # finishes what is published of the visit
        executor.shutdown()
        node.destroy_node()
        other.destroy_node()
    rclpy.shutdown()
    print(*sorted(str(path) for path in loaded_files()), sep='\n')


def cloud_message(scan):
    """Return a scan as the message of a mapping system."""
    from rescene4d_ros.data.readers.point_cloud2 import cloud_array
    from rescene4d_ros.node.messages.conversions import create_cloud, fields_of, time_to_msg
    from std_msgs.msg import Header

    points = cloud_array(scan)
    header = Header(stamp=time_to_msg(scan.stamp_ns), frame_id=scan.frame_id)
    return create_cloud(header, fields_of(points), points)


def loaded_files() -> set[Path]:
    """Return the source files of the package that this process has loaded, but generated ones."""
    generated = tuple(f'{PACKAGE}.{kind}' for kind in ('msg', 'srv', 'action'))
    return {
        Path(str(module.__file__))
        for name, module in [*sys.modules.items()]
        if f'{name}.'.startswith(f'{PACKAGE}.')
        and not name.startswith(generated)
        and str(getattr(module, '__file__', None)).endswith('.py')
    }


def check_with_node(root: Path, expected: Collection[Path]) -> None:
    """Run the node in a fresh process; say whether it loads the files that were counted."""
    known = {'PYTHONPATH': os.pathsep.join([str(root), *filter(None, sys.path)])}
    quiet = {'RESCENE4D_NETWORK': 'loopback', 'ROS_DOMAIN_ID': str(1 + os.getpid() % 80)}
    done = subprocess.run(
        [sys.executable, __file__, '--as-node'],
        env=os.environ | known | quiet,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    loaded = {Path(line) for line in done.stdout.splitlines() if line.endswith('.py')}
    print(f'{told(loaded)} loaded by a node after two visits')
    for path in sorted(loaded ^ set(expected)):
        how = 'loaded, not counted' if path in loaded else 'counted, not loaded'
        print(f'  {how}: {path.relative_to(root)}')
    if loaded != set(expected):
        raise SystemExit('expected a visit to load the files that are counted')


def told(files: Collection[Path]) -> str:
    """Return how many files these are, and how many hold code."""
    return f'{len(files):4} files, {sum(map(has_code, files)):4} with code,'


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument('--visit', action='store_true', help='trace a visit, too')
    parser.add_argument('--pairs', type=int, default=10, help='pairs of files to name')
    parser.add_argument('--files', action='store_true', help='name the files of a visit')
    parser.add_argument('--node', action='store_true', help='compare with a running node')
    parser.add_argument('--as-node', action='store_true', help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.as_node:
        return run_node()
    import rescene4d_ros

    root = Path(rescene4d_ros.__file__).resolve().parent.parent
    visit = closure(root, of_visits)
    print(f'{told(closure(root, when_loaded))} loaded by {MAIN}')
    print(f'{told(visit)} that a visit passes through')
    print(f'{told(closure(root, anywhere))} imported anywhere behind {MAIN}')
    if options.files:
        print('\n'.join(sorted(str(path.relative_to(root)) for path in visit)))
    if options.node:
        check_with_node(root, visit)
    if options.visit:
        print_trace(trace_visit(root), options.pairs)


def print_trace(trace: Trace, pairs: int) -> None:
    """Print how much a visit enters, and between which files it changes most."""
    files = {name for name, *_ in trace.functions}
    print(
        f'one visit: {len(files)} files, {len(trace.functions)} functions, '
        f'{trace.changes.total()} changes of file'
    )
    for (caller, callee), count in trace.changes.most_common(pairs):
        print(f'{count:6} {caller} -> {callee}')


if __name__ == '__main__':
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    main()
