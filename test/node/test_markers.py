"""Who replays our messages sees the last scene, whatever came before and whenever it joined."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest
from rescene4d_ros.errors import RescenError
from rescene4d_ros.node.messages.markers import BOXES, LABELS, POINTS, scene_markers
from rescene4d_ros.structures import Box, ObjectState, Scan, SceneObject
from visualization_msgs.msg import Marker


def make_object(object_id, state=ObjectState.PRESENT, size=(1.0, 0.5, 0.8)):
    """Return a remembered chair."""
    return SceneObject(object_id, 2, 'chair', 0.9, state, Box((1.0, 2.0, 0.5), size, 0.3), 1, 2)


def replay(messages):
    """Return what a viewer shows after these messages: (layer, id) -> marker."""
    shown = {}
    for message in messages:
        for marker in message.markers:
            if marker.action == Marker.DELETEALL:
                shown.clear()
            elif marker.action == Marker.ADD:
                shown[marker.ns, marker.id] = marker
    return shown


SCENES = st.lists(
    st.dictionaries(st.integers(1, 12), st.sampled_from(ObjectState)), min_size=1, max_size=6
)


@given(SCENES, st.integers(0, 5))
def test_replay_leaves_exactly_the_last_scene(scenes, joined):
    """Neither ghosts of earlier scenes nor fragments for who joins late."""
    messages = [
        scene_markers([make_object(i, s) for i, s in scene.items()], 'map') for scene in scenes
    ]
    expected = {(layer, i) for i in scenes[-1] for layer in (BOXES, LABELS)}
    assert set(replay(messages)) == expected
    assert set(replay(messages[min(joined, len(messages) - 1) :])) == expected


def test_points_of_present_objects_are_drawn():
    """Points carry the id of their object; those of nothing are left out."""
    scan = Scan(np.arange(300, dtype=np.float32).reshape(100, 3), 1)
    ids = np.repeat([0, 4, 5, 6], 25)
    objects = [make_object(4), make_object(5, ObjectState.ABSENT), make_object(6)]
    shown = replay([scene_markers(objects, 'map', scan, ids, max_points=10)])
    assert {i for layer, i in shown if layer == POINTS} == {4, 6}
    points = shown[POINTS, 4].points
    assert 0 < len(points) <= 10
    drawn = {(p.x, p.y, p.z) for p in points}
    assert drawn <= {tuple(map(float, xyz)) for xyz in scan.xyz[ids == 4]}
    hidden = replay([scene_markers(objects, 'map', scan, ids, max_points=0)])
    assert not any(layer == POINTS for layer, _ in hidden)


@pytest.mark.parametrize('state', ObjectState)
def test_markers_that_rviz_accepts(state):
    """Stamp zero, a frame, a unit quaternion, positive scale, visible, also for a flat box."""
    message = scene_markers([make_object(3, state, (1.0, 0.0, 0.8))], 'floor_1')
    assert message.markers[0].action == Marker.DELETEALL
    for marker in message.markers:
        assert marker.header.frame_id == 'floor_1'
        assert (marker.header.stamp.sec, marker.header.stamp.nanosec) == (0, 0)
    box, label = message.markers[1:]
    turn = box.pose.orientation
    assert turn.x**2 + turn.y**2 + turn.z**2 + turn.w**2 == pytest.approx(1)
    assert min(box.scale.x, box.scale.y, box.scale.z) > 0
    assert box.color.a > 0
    assert 0 < max(box.color.r, box.color.g, box.color.b) <= 1
    assert (label.type, label.color.a) == (Marker.TEXT_VIEW_FACING, 1.0)
    assert label.text.startswith('chair #3')
    assert (label.text == 'chair #3') == (state == ObjectState.PRESENT)


def test_color_follows_the_id():
    """Not the order in the list, so it survives a restart."""
    alone = replay([scene_markers([make_object(7)], 'map')])
    among = replay([scene_markers([make_object(i) for i in (3, 9, 7)], 'map')])
    assert alone[BOXES, 7].color == among[BOXES, 7].color
    assert among[BOXES, 3].color != among[BOXES, 9].color


def test_ids_beyond_int32_are_refused():
    """A wrapped id would draw another object."""
    scene_markers([make_object(2**31 - 1)], 'map')
    with pytest.raises(RescenError, match=str(2**31)):
        scene_markers([make_object(2**31)], 'map')
