"""
What it costs to read the package: files behind the node, and changes of file in one visit.

    .venv/bin/python benchmarks/reading_cost.py [--visit] [--pairs 10]

Prints the number of source files in the import closure of `rescene4d_ros.node.main`: every import
of the package anywhere in a file counts, `import_module` of a written-out name too, with the
`__init__` files of the packages on the way; how many of these hold code is printed, too, and how
many are reached by the services of the node alone, which no visit passes through. A backbone that
the shipped weights do not use is loaded by name and not counted.
With `--visit` it also processes two visits of a room with four objects, of which one moves, and
counts what the second visit passes through in tracker, tracking, memory and geometry: files,
functions, and changes of file. A change of file is a call whose caller and callee are in different
files of the package.
"""

from __future__ import annotations

import argparse
import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
import sys
import tempfile

import numpy as np

PACKAGE = 'rescene4d_ros'
MAIN = f'{PACKAGE}.node.main'
SERVICES = 'node/services.py'  # requests enter here
STEP = 0.035  # m; spacing of the points of the room
BOXES = (  # center x, y, then size x, y, z, in m, and color
    ((2.5, 2.5), (1.4, 0.8, 0.75), (150, 100, 60)),
    ((1.0, 1.0), (0.45, 0.5, 0.9), (200, 40, 40)),
    ((4.0, 1.0), (0.45, 0.5, 0.9), (40, 60, 200)),
    ((1.5, 4.6), (1.6, 0.45, 1.2), (230, 230, 220)),
)
MOVED_TO = (1.8, 1.6)  # of the second box


def import_closure(root: Path, main: str = MAIN, without: str = '') -> set[Path]:
    """Return the source files that a module imports, directly or not, but not by way of one."""
    waiting, found = [main], set()
    while waiting:
        for path in files_of(root, waiting.pop()):
            if path not in found and path != root / PACKAGE / without:
                found.add(path)
                waiting += imported(path)
    return found


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


def imported(path: Path) -> Iterator[str]:
    """Yield the names that a file imports; those of classes and functions find no file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f'{node.module}.{alias.name}' for alias in node.names)
        elif isinstance(node, ast.Call) and getattr(node.func, 'id', '') == 'import_module':
            yield from (str(a.value) for a in node.args if isinstance(a, ast.Constant))


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

    second = [*BOXES]
    second[1] = (MOVED_TO, *BOXES[1][1:])
    visits = [scanned(boxes, day * 86_400 * 10**9) for day, boxes in enumerate((BOXES, second), 1)]
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


def main() -> None:
    """Count and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument('--visit', action='store_true', help='trace a visit, too')
    parser.add_argument('--pairs', type=int, default=10, help='pairs of files to name')
    parser.add_argument('--files', action='store_true', help='name the files of the closure')
    options = parser.parse_args()
    import rescene4d_ros

    root = Path(rescene4d_ros.__file__).resolve().parent.parent
    closure = import_closure(root)
    with_code = sum(map(has_code, closure))
    print(f'{len(closure)} files in the import closure of {MAIN}, {with_code} of them with code')
    of_visits = import_closure(root, without=SERVICES)
    with_code = sum(map(has_code, of_visits))
    print(f'{len(of_visits)} without what only requests reach, {with_code} of them with code')
    if options.files:
        print('\n'.join(sorted(str(path.relative_to(root)) for path in closure)))
    if options.visit:
        trace = trace_visit(root)
        files = {name for name, *_ in trace.functions}
        print(
            f'one visit: {len(files)} files, {len(trace.functions)} functions, '
            f'{trace.changes.total()} changes of file'
        )
        for (caller, callee), count in trace.changes.most_common(options.pairs):
            print(f'{count:6} {caller} -> {callee}')


if __name__ == '__main__':
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    main()
