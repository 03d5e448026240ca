"""The `rescene4d figure` command: draws the picture of docs/design/segmenter.md."""

from __future__ import annotations

import argparse
from pathlib import Path

PATCH_SIZE = 24
# A floor plan: the outline of a room and a table that moves.
ROOM, TABLE = (12, 9), ((2, 2), (8, 5))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the output file."""
    parser.add_argument('--out', type=Path, default=Path('docs/images/segmenter.png'), help='PNG')


def run(options: argparse.Namespace) -> int:
    """Serialize a small floor plan as the network does, and draw it beside the network."""
    import numpy as np
    from rescene4d_ros.models.backbones.serialization_order import (
        merged_order,
        TieBreak,
        visit_order,
    )
    from rescene4d_ros.sparse.voxels import Voxels
    from rescene4d_ros.view.segmenter_figure import draw_segmenter
    import torch

    plans = [_plan(*corner) for corner in TABLE]
    voxels = Voxels.build(
        torch.tensor([(visit, x, y, 0) for visit, plan in enumerate(plans) for x, y in plan])
    )
    # All points are in the center of their cells, so ties are in the order of visits.
    ties = TieBreak(voxels.coords[:, 1:].float(), torch.arange(len(plans)))
    drawn = []
    for title, order in (
        ('orders of each visit:\na patch stays in one visit', visit_order(voxels, 4, 'hilbert')),
        (
            'merged orders:\na patch is one place at all times',
            merged_order(voxels, 4, 'hilbert', ties),
        ),
    ):
        patches = np.cumsum([0] + [-(-n // PATCH_SIZE) for n in order.counts])
        patch = np.concatenate(
            [first + np.arange(n) // PATCH_SIZE for first, n in zip(patches, order.counts)]
        )
        drawn.append((title, order.rows.numpy(), patch))
    coords = voxels.coords.numpy()
    draw_segmenter(
        options.out, [coords[coords[:, 0] == visit, 1:3] for visit in range(len(plans))], drawn
    )
    return 0


def _plan(left: int, bottom: int) -> list[tuple[int, int]]:
    """Return the cells of the room's walls and of the table at this corner."""
    width, depth = ROOM
    return [
        (x, y)
        for x in range(width)
        for y in range(depth)
        if x in (0, width - 1)
        or y == depth - 1
        or (left <= x < left + 3 and bottom <= y < bottom + 2)
    ]
