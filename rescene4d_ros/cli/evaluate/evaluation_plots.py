"""The pictures of an evaluation."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rescene4d_ros.evaluation import Compared
from rescene4d_ros.metrics.changes.calibration import calibration_bins
from rescene4d_ros.metrics.changes.change_scores import pool
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.segmentation.segmentation_scores import precision_recall_curve
from rescene4d_ros.structures import INSTANCE_CLASSES
from rescene4d_ros.view.score_plots import (
    draw_calibration,
    draw_change_confusion,
    draw_cost,
    draw_identities,
    draw_precision_recall,
)

TIMELINES = 3  # number of sequences with drawn identities


def draw_evaluation(
    out: Path, compared: Compared, document: Mapping[str, Any], rules: ScoreRules
) -> list[Path]:
    """Write the pictures of docs/reference/score_card.md; return their paths."""
    curves = {
        name: precision_recall_curve([s.truth for s in found], [s.found for s in found], rules)
        for name, found in compared.sequences.items()
    }
    known = {
        name: [s.changes for s in found if s.changes is not None]
        for name, found in compared.sequences.items()
    }
    changes = {name: pool(counts) for name, counts in known.items() if counts}
    paths = [
        out / f'{name}.png'
        for name in ('precision_recall', 'change_confusion', 'change_calibration', 'cost')
    ]
    draw_precision_recall(paths[0], curves)
    draw_change_confusion(paths[1], {name: c.confusion for name, c in changes.items()})
    draw_calibration(
        paths[2], {name: calibration_bins(c.confidences) for name, c in changes.items()}
    )
    draw_cost(paths[3], document['seconds_by_visits'])
    first = next(iter(compared.sequences.values()))
    for k, truth in enumerate(s.truth for s in first[:TIMELINES]):
        paths.append(out / f'identities_{truth.name}.png')
        draw_identities(
            paths[-1],
            {name: found[k].ids for name, found in compared.sequences.items()},
            [
                f'{INSTANCE_CLASSES[c]} {i}'
                for c, i in zip(truth.classes.tolist(), truth.instance_ids.tolist())
            ],
        )
    return paths
