"""The picture that `rescene4d replay` leaves: the newest visits of a memory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import VisitStatus
from rescene4d_ros.tracking.object_ids import resolve_labels
from rescene4d_ros.view.before_after import draw_before_after

MOST_VISITS = 6


def draw_newest(path: Path, memory: SceneMemory) -> None:
    """Write the picture of the newest processed visits of a memory; none where there is none."""
    snapshot = memory.snapshot()
    done = [v for v in snapshot.visits if v.status == VisitStatus.DONE]
    done = sorted(done, key=lambda v: v.stamp_ns)[-MOST_VISITS:]
    aliases = dict(snapshot.aliases)
    if done:
        draw_before_after(
            path,
            [memory.scan(v.visit_id) for v in done],
            [resolve_labels(memory.labels(v.visit_id), aliases) for v in done],
            replace(snapshot, visits=tuple(done)),
            memory.changes(),
        )
