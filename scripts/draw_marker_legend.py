"""Draw the legend of the markers for the guide: every state and every change, as RViz shows it."""

from __future__ import annotations

from pathlib import Path
import sys

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / 'docs' / 'images' / 'markers.png'
SIZE, PIXELS_PER_M = (1200, 330), 75  # pixels
STEP = 2.0  # m between objects
CHAIR, DEEP = (0.9, 0.7, 0.8), 0.5  # m


def legend():
    """Return the picture: a row of states over a row of changes."""
    from rescene4d_ros.node.messages.scene_markers import MarkerUpdates, NewestVisit
    from rescene4d_ros.node.tools.marker_picture import draw_markers, replay
    from rescene4d_ros.structures import Box, Change, ChangeKind, ObjectState, SceneObject

    def box(column: float, row: float) -> Box:
        return Box((column * STEP, row, DEEP), CHAIR, 0.3)

    states = (ObjectState.PRESENT, ObjectState.NOT_OBSERVED, ObjectState.ABSENT)
    objects = [
        SceneObject(k + 1, 2, 'chair', 0.9, state, box(1.6 * k - 1.9, 0.9), 1, 2)
        for k, state in enumerate(states)
    ]
    changes = []
    kinds = (
        (ChangeKind.ADDED, 'added'),
        (ChangeKind.REMOVED, 'removed'),
        (ChangeKind.DEFORMED, 'deformed'),
        (ChangeKind.REAPPEARED, 'reappeared'),
        (ChangeKind.MOVED, 'moved'),
    )
    for k, (kind, name) in enumerate(kinds):
        number, place = k + 4, box(1.3 * k - 3.0, -1.1)
        before, after = place, place
        if kind == ChangeKind.MOVED:
            after = box(1.3 * k - 2.3, -1.1)
        is_gone = kind == ChangeKind.REMOVED
        state = ObjectState.ABSENT if is_gone else ObjectState.PRESENT
        objects.append(SceneObject(number, 2, name, 0.9, state, after, 1, 2))
        changes.append(Change(kind, number, 'chair', 0.9, 2, before, after, None, 1, 2))
    message = MarkerUpdates(1).update(objects, 'map', NewestVisit(2, changes), 0)
    return draw_markers(replay([message]), SIZE, PIXELS_PER_M)


if __name__ == '__main__':
    sys.path.insert(0, str(ROOT))
    legend().save(FILE, optimize=True)
