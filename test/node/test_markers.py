"""Who follows our messages sees the last scene, whenever it joined, and can read it."""

from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rescene4d_ros.errors import RescenError
from rescene4d_ros.node.messages import marker_shapes
from rescene4d_ros.node.messages.marker_shapes import (
    BACKGROUND,
    CHANGE_COLORS,
    contrast,
    LEAST_CONTRAST,
    STROKES,
)
from rescene4d_ros.node.messages.scene_markers import MarkerUpdates, namespaces, NewestVisit
from rescene4d_ros.node.tools.marker_picture import draw_markers, points_of, replay
from rescene4d_ros.structures import Box, Change, ChangeKind, ObjectState, Scan, SceneObject
from visualization_msgs.msg import Marker
import yaml

PRESENT, ABSENT = ObjectState.PRESENT, ObjectState.ABSENT
DAY_NS = 86_400 * 10**9
HISTORY = 4
CONFIG = Path(__file__).resolve().parents[2] / 'config' / 'rescene4d.rviz'


def make_object(object_id, state=PRESENT, size=(1.0, 0.5, 0.8), center=None, last_seen_ns=2):
    """Return a remembered chair, at a place of its own."""
    box = Box(center or (object_id * 1.0, 2.0, 0.5), size, 0.3)
    return SceneObject(object_id, 2, 'chair', 0.9, state, box, 1, last_seen_ns)


def draw(objects, newest=None, max_points=100, updates=None):
    """Return the next message for a scene; by default the first."""
    updates = updates or MarkerUpdates(HISTORY)
    return updates.update(objects, 'map', newest or NewestVisit(), max_points)


SCENES = st.lists(
    st.dictionaries(st.integers(1, 12), st.sampled_from(ObjectState)), min_size=1, max_size=12
)


@settings(max_examples=25)
@given(SCENES)
def test_replay_leaves_exactly_the_last_scene(scenes):
    """Also for who joins late and gets what the topic keeps; neither ghosts nor gaps."""
    updates = MarkerUpdates(HISTORY)
    objects = [[make_object(i, s) for i, s in scene.items()] for scene in scenes]
    messages = [draw(scene, updates=updates) for scene in objects]
    expected = replay([draw(objects[-1])])
    assert replay(messages) == expected
    assert replay(messages[-HISTORY:]) == expected
    assert replay([updates.complete()]) == expected


def test_only_what_changed_is_sent():
    """An object that stays sends nothing, one that goes deletes what it had."""
    updates = MarkerUpdates(10)
    scan = Scan(np.arange(300, dtype=np.float32).reshape(100, 3), 1)
    newest = NewestVisit(5, (), scan, np.repeat([0, 4, 5, 6], 25))
    scene = [make_object(i) for i in (4, 5, 6)]
    shown = [draw(scene, newest, updates=updates)]
    rough = [make_object(i, center=(i + 0.01, 2.0, 0.5)) for i in (4, 5, 6)]
    assert draw(rough, newest, updates=updates).markers == []
    shown.append(draw([scene[0], make_object(5, ABSENT)], newest, updates=updates))
    sent = {(m.ns, m.id): m.action for m in shown[-1].markers}
    assert sent == {
        ('present/boxes', 5): Marker.DELETE,
        ('present/labels', 5): Marker.DELETE,
        ('present/points', 5): Marker.DELETE,
        ('present/boxes', 6): Marker.DELETE,
        ('present/labels', 6): Marker.DELETE,
        ('present/points', 6): Marker.DELETE,
        ('absent/boxes', 5): Marker.ADD,
        ('absent/labels', 5): Marker.ADD,
    }
    fewer = draw([scene[0]], newest, max_points=7, updates=updates)
    (points,) = [m for m in fewer.markers if m.action == Marker.ADD]
    assert (points.ns, points.id, len(points.points)) == ('present/points', 4, 7)
    assert {*map(tuple, points_of(points))} <= {*map(tuple, scan.xyz[25:50].astype(float))}
    none = draw([scene[0]], newest, max_points=0, updates=updates)
    assert [(m.ns, m.action) for m in none.markers] == [('present/points', Marker.DELETE)]


@pytest.mark.parametrize('state', ObjectState)
def test_markers_that_rviz_accepts(state):
    """Stamp zero, a frame, a unit quaternion, positive width, visible, also for a flat box."""
    message = draw([make_object(3, state, (1.0, 0.0, 0.8))])
    assert message.markers[0].action == Marker.DELETEALL
    for marker in message.markers:
        assert marker.header.frame_id == 'map'
        assert (marker.header.stamp.sec, marker.header.stamp.nanosec) == (0, 0)
    box, label = message.markers[1:]
    assert {box.ns, label.ns} <= {*namespaces()}
    assert box.pose.orientation.w == 1
    assert box.type == Marker.LINE_LIST
    assert len(box.points) == 24 * len(STROKES[state])
    assert box.scale.x > 0
    assert box.color.a > 0
    assert (label.type, label.color.a) == (Marker.TEXT_VIEW_FACING, 1.0)
    assert label.text.startswith('chair #3')
    assert (label.text == 'chair #3') == (state == PRESENT)


def test_changes_are_drawn_at_their_places():
    """An arrow from the old to the new place; signs of different form for the others."""
    old, new = Box((0.0, 0.0, 0.5), (1.0, 1.0, 1.0)), Box((3.0, 0.0, 0.5), (1.0, 1.0, 1.0))
    boxes = {
        ChangeKind.MOVED: (old, new),
        ChangeKind.REMOVED: (old, None),
        ChangeKind.ADDED: (None, new),
        ChangeKind.DEFORMED: (old, new),
        ChangeKind.REAPPEARED: (None, new),
        ChangeKind.MERGED: (None, None),
    }
    changes = [
        Change(kind, number, 'chair', 0.9, 2, *places, None, 1, 2)
        for number, (kind, places) in enumerate(boxes.items(), 1)
    ]
    shown = replay([draw([], NewestVisit(2, changes))])
    assert {ns for ns, _ in shown} == {n for n in namespaces() if n.startswith('changes/')}
    arrow = shown['changes/moved', 1]
    assert arrow.type == Marker.ARROW
    assert points_of(arrow).tolist() == [[0, 0, 0.5], [3, 0, 0.5]]
    assert points_of(shown['changes/removed', 2]).mean(0)[0] == pytest.approx(0)
    assert points_of(shown['changes/added', 3]).mean(0)[0] == pytest.approx(3)
    forms = [
        (m.type, np.round(points_of(m) - points_of(m).mean(0), 6).tolist()) for m in shown.values()
    ]
    assert all(form not in forms[:k] for k, form in enumerate(forms))


def test_absent_objects_fade_with_age():
    """The longer gone, the fainter, but never invisible."""
    ages = (0, 7, 14, 700)
    objects = [make_object(k, ABSENT, last_seen_ns=0) for k in (1,)]
    shades = [
        replay([draw(objects, NewestVisit(age * DAY_NS))])['absent/boxes', 1].color.a
        for age in ages
    ]
    assert shades == pytest.approx([0.8, 0.4, 0.2, 0.1])


def test_labels_are_readable():
    """Text and signs stand out from the background of RViz, whatever the id."""
    background = yaml.safe_load(CONFIG.read_text())['Visualization Manager']['Global Options'][
        'Background Color'
    ]
    under = tuple(map(int, background.split(';')))
    shown = replay([draw([make_object(i) for i in range(1, 200)])])
    for (ns, _), marker in shown.items():
        if ns.endswith('labels'):
            color = marker.color
            rgb = tuple(round(255 * c) for c in (color.r, color.g, color.b))
            assert contrast(rgb, under) >= LEAST_CONTRAST
    assert contrast((255, 255, 255), (0, 0, 0)) == pytest.approx(21)
    assert min(contrast(rgb, under) for rgb in CHANGE_COLORS.values()) >= 3.0


def test_first_view_is_that_of_the_labels():
    """The view with which RViz begins is the one for which labels are chosen."""
    view = yaml.safe_load(CONFIG.read_text())['Visualization Manager']['Views']['Current']
    assert (view['Distance'], view['Pitch'], view['Yaw']) == (
        marker_shapes.DISTANCE,
        marker_shapes.PITCH,
        marker_shapes.YAW,
    )


@pytest.mark.parametrize('spread', [0.5, 2.0, 6.0])
def test_labels_of_forty_objects_do_not_overlap(spread):
    """From above and in the first view; crowded ones are shorter or missing, never all."""
    rng = np.random.default_rng(3)
    centers = rng.uniform(-spread, spread, (40, 3)) * (1, 1, 0.1) + (0, 0, 0.5)
    objects = [
        make_object(i, center=tuple(c), size=(0.3, 0.3, 0.4)) for i, c in enumerate(centers, 1)
    ]
    shown = [m for (ns, _), m in replay([draw(objects)]).items() if ns == 'present/labels']
    at = np.array([(p.x, p.y, p.z) for p in (m.pose.position for m in shown)])
    for project in (marker_shapes.from_above, marker_shapes.from_orbit):
        boxes = [
            marker_shapes.rectangle(place, m.text)
            for place, m in zip(project(at), shown, strict=True)
        ]
        for number, box in enumerate(boxes):
            for other in boxes[:number]:
                assert (other[:2] >= box[2:]).any() or (box[:2] >= other[2:]).any()
    assert len(shown) >= {0.5: 5, 2.0: 24, 6.0: 36}[spread]


def test_color_follows_the_id():
    """Not the order in the list, so it survives a restart."""
    alone = replay([draw([make_object(7)])])
    among = replay([draw([make_object(i) for i in (3, 9, 7)])])
    assert alone['present/boxes', 7].color == among['present/boxes', 7].color
    assert among['present/boxes', 3].color != among['present/boxes', 9].color


def test_ids_beyond_int32_are_refused():
    """A wrapped id would draw another object."""
    draw([make_object(2**31 - 1)])
    with pytest.raises(RescenError, match=str(2**31)):
        draw([make_object(2**31)])


def test_rviz_lists_all_namespaces():
    """Every namespace can be switched off, and the queue holds what the topic keeps."""
    displays = yaml.safe_load(CONFIG.read_text())['Visualization Manager']['Displays']
    (display,) = [d for d in displays if 'Namespaces' in d]
    assert [*display['Namespaces']] == namespaces()


def test_what_is_deleted_leaves_the_picture():
    """A deleted object leaves the background, drawn from above and in the first view."""
    updates = MarkerUpdates(HISTORY)
    size = (200, 200)
    for orbit, scale in ((False, 60), (True, 600)):
        updates.everything_due()
        messages = [draw([make_object(1, center=(0.0, 0.0, 0.5))], updates=updates)]
        one = np.array(draw_markers(replay(messages), size, scale, orbit=orbit))
        messages.append(draw([], updates=updates))
        assert all(m.action == Marker.DELETE for m in messages[-1].markers)
        none = np.array(draw_markers(replay(messages), size, scale, orbit=orbit))
        assert (one != BACKGROUND).any()
        assert (none == BACKGROUND).all()
