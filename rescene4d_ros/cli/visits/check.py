"""`rescene4d check`: what a replay would say of its inputs, without storing anything."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
import sys

import numpy as np
from rescene4d_ros.cli.visits.checked_visits import add_input_arguments, config_of, inputs_of
from rescene4d_ros.cli.visits.inputs import Origin
from rescene4d_ros.errors import RescenError
from rescene4d_ros.geometry.point_sets import thin
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.plausibility.check import check_scan, checked_scan, Plausibility
from rescene4d_ros.plausibility.registered import Reference
from rescene4d_ros.scene.visit_window import RememberedSurface, VISITS
from rescene4d_ros.structures import Scan

SPACING = 0.03  # m; of the points of the picture


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the flags."""
    add_input_arguments(parser)
    parser.add_argument(
        '--memory',
        type=Path,
        metavar='DIR',
        help='scene memory to check against; default: each scan against those before it',
    )
    parser.add_argument('--memory-url', metavar='URL', help='database of the memory')
    parser.add_argument(
        '--picture',
        type=Path,
        metavar='FILE',
        help='PNG of all clouds over each other, from above and from the side: walls of clouds '
        'that are not in one map appear twice',
    )
    parser.add_argument('--json', action='store_true', help='print one JSON document')


def run(options: argparse.Namespace) -> int:
    """Read and check every visit; 1 if one would be refused."""
    if options.memory is None:
        return _check(options, None, _Before())
    with SceneMemory.inspect(options.memory, options.memory_url) as memory:
        return _check(options, memory.origin, RememberedSurface(memory, write=False))


def _check(
    options: argparse.Namespace, origin: Origin | None, known: _Before | RememberedSurface
) -> int:
    inputs, config = inputs_of(options), config_of(options)
    documents, refused = [], inputs.refused_count
    clouds: list[tuple[str, np.ndarray]] = []
    earlier: np.ndarray | None = None
    for read in inputs.visits():
        try:
            scan, _ = read(origin)
        except RescenError as error:
            refused += 1
            documents.append({'refused': str(error)})
            if not options.json:
                print(f'refused: {error}')
            continue
        reference = known.reference(scan)
        found = check_scan(scan, reference, config, options.register)
        if options.picture:
            clouds.append((scan.name, scan.xyz[thin(scan.xyz, SPACING)]))
            if not isinstance(known, _Before) and reference is not None:
                earlier = reference.xyz
        if found.refusals(frozenset(options.accept)):
            refused += 1
        else:
            origin = scan.origin if origin is None else origin
            if isinstance(known, _Before):
                known.add(checked_scan(scan, found, options.register))
        documents.append(_document(scan, found))
        if not options.json:
            _print(scan, found)
    if options.json:
        print(json.dumps(documents, indent=1))
    if options.picture and clouds:
        from rescene4d_ros.view.alignment import draw_alignment  # matplotlib takes a second

        options.picture.parent.mkdir(parents=True, exist_ok=True)
        draw_alignment(options.picture, clouds, earlier)
    total = inputs.count + inputs.refused_count
    print(f'{refused} of {total} visit{"s" * (total != 1)} would be refused', file=sys.stderr)
    return 1 if refused else 0


class _Before:
    """The scans before, where there is no memory to check against."""

    def __init__(self) -> None:
        self._clouds: list[np.ndarray] = []

    def reference(self, scan: Scan) -> Reference | None:
        """Return the points of the scans before."""
        return Reference.of_points(*self._clouds) if self._clouds else None

    def add(self, scan: Scan) -> None:
        """Take a scan as one before."""
        self._clouds = [*self._clouds, scan.xyz][-VISITS:]


def _print(scan: Scan, found: Plausibility) -> None:
    extent = ' x '.join(f'{v:.1f}' for v in scan.xyz.max(0) - scan.xyz.min(0))
    color = 'colors' if scan.rgb is not None else 'no colors'
    print(f'{scan.name}: {len(scan)} points, {extent} m, {color}')
    for finding in found.findings:
        print(f'  {finding.severity.value}: {finding}')
    if not found.findings:
        print('  as expected')


def _document(scan: Scan, found: Plausibility) -> dict:
    motion = found.reference_T_scan
    return {
        'name': scan.name,
        'points': len(scan),
        'kept': int(found.kept.sum()),
        'origin': list(scan.origin),
        'findings': [finding.as_dict() for finding in found.findings],
        'reference_T_scan': None if motion is None else motion.tolist(),
    }
