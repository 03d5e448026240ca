"""Every value survives the way into a message and back; no field is forgotten."""

from dataclasses import fields, replace
import math

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
from rescene4d_ros.errors import ScanError
from rescene4d_ros.msg import SceneChange
from rescene4d_ros.msg import SceneObject as SceneObjectMessage
from rescene4d_ros.node.messages import conversions
from rescene4d_ros.structures import (
    Box,
    Change,
    ChangeKind,
    MemorySnapshot,
    ObjectState,
    Scan,
    SceneObject,
    VisitChanges,
    VisitInfo,
    VisitStatus,
)
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import PointField

STAMPS = st.integers(1, 2**31 * 10**9 - 1)
IDS = st.integers(1, 2**64 - 1)
NUMBERS = st.floats(-1e6, 1e6)
UNIT = st.floats(0, 1, width=32)  # what a float32 field holds exactly
NAMES = st.text(max_size=20).filter(lambda s: '\0' not in s)
BOXES = st.builds(
    Box,
    st.tuples(NUMBERS, NUMBERS, NUMBERS),
    st.tuples(*[st.floats(0.01, 100)] * 3),
    st.floats(-3.1, 3.1),
)


@st.composite
def motions(draw):
    """Draw rigid motions."""
    motion = np.eye(4)
    angles = [draw(st.floats(-3, 3)) for _ in range(3)]
    motion[:3, :3] = Rotation.from_euler('xyz', angles).as_matrix()
    motion[:3, 3] = draw(st.tuples(NUMBERS, NUMBERS, NUMBERS))
    return motion


OBJECTS = st.builds(
    SceneObject,
    IDS,
    st.integers(0, 2**32 - 1),
    NAMES,
    UNIT,
    st.sampled_from(ObjectState),
    BOXES,
    STAMPS,
    STAMPS,
    st.none() | STAMPS,
    st.none() | st.lists(UNIT, min_size=1, max_size=20).map(lambda p: np.array(p, np.float32)),
    st.lists(st.tuples(IDS, st.sampled_from(ObjectState)), max_size=5).map(tuple),
    NAMES,
    NUMBERS,
)
CHANGES = st.builds(
    Change,
    st.sampled_from(ChangeKind),
    IDS,
    NAMES,
    UNIT,
    IDS,
    st.none() | BOXES,
    st.none() | BOXES,
    st.none() | motions(),
    st.none() | STAMPS,
    STAMPS,
    st.integers(0, 2**64 - 1),
)


def assert_same(a, b):
    """Compare two structures field by field; angles and motions to rounding."""
    assert type(a) is type(b)
    for field in fields(a):
        old, new = getattr(a, field.name), getattr(b, field.name)
        if isinstance(old, Box):
            assert new.center == old.center
            assert new.size == old.size
            assert new.yaw == pytest.approx(old.yaw, abs=1e-9)
        elif isinstance(old, np.ndarray):
            np.testing.assert_allclose(new, old, rtol=1e-9, atol=1e-9)
        else:
            assert new == old, field.name


@settings(max_examples=100)
@given(OBJECTS)
def test_object_survives(item):
    """A remembered object is the same after the message."""
    assert_same(item, conversions.object_from_msg(conversions.object_to_msg(item)))


@settings(max_examples=100)
@given(CHANGES)
def test_change_survives(change):
    """A change is the same after the message."""
    assert_same(change, conversions.change_from_msg(conversions.change_to_msg(change)))


def full_object():
    """Return an object without any default value."""
    return SceneObject(
        7,
        3,
        'sofa',
        0.5,
        ObjectState.ABSENT,
        Box((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), 0.5),
        11 * 10**9 + 1,
        12 * 10**9 + 2,
        13 * 10**9 + 3,
        np.array([0.25, 0.75], np.float32),
        ((1, ObjectState.PRESENT), (2, ObjectState.ABSENT)),
        'same place',
        1.5,
        (8, 2**64 - 1),
        'red sofa',
    )


def full_change():
    """Return a change without any default value."""
    motion = np.eye(4)
    motion[:2, :2] = [[0, -1], [1, 0]]
    motion[:3, 3] = 1, 2, 3
    return Change(
        ChangeKind.MERGED,
        7,
        'sofa',
        0.5,
        2,
        Box((1.0, 2.0, 3.0), (4.0, 5.0, 6.0), 0.5),
        Box((2.0, 3.0, 4.0), (4.0, 5.0, 6.0), 0.7),
        motion,
        11 * 10**9 + 1,
        12 * 10**9 + 2,
        9,
    )


@pytest.mark.parametrize(
    ('full', 'to_msg', 'kind'),
    [
        (full_object(), conversions.object_to_msg, SceneObjectMessage),
        (full_change(), conversions.change_to_msg, SceneChange),
    ],
)
def test_every_message_field_is_filled(full, to_msg, kind):
    """A field added to a message but not to its conversion fails here."""
    message, empty = to_msg(full), kind()
    for name in kind.get_fields_and_field_types():
        assert getattr(message, name) != getattr(empty, name), name


@pytest.mark.parametrize(
    ('full', 'to_msg', 'others'),
    [
        (
            full_object(),
            conversions.object_to_msg,
            {
                'object_id': 8,
                'class_id': 4,
                'class_name': 'bed',
                'score': 0.25,
                'state': ObjectState.PRESENT,
                'box': Box((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
                'first_seen_ns': 1,
                'last_seen_ns': 1,
                'last_confirmed_absent_ns': None,
                'class_probs': None,
                'states': (),
                'link_reason': '',
                'moved_m': 0.0,
                'alternatives': (),
                'name': 'blue sofa',
            },
        ),
        (
            full_change(),
            conversions.change_to_msg,
            {
                'kind': ChangeKind.ADDED,
                'object_id': 8,
                'class_name': 'bed',
                'confidence': 0.25,
                'visit_id': 3,
                'before': None,
                'after': None,
                'after_T_before': None,
                'evidence_before_ns': None,
                'evidence_after_ns': 1,
                'other_id': 0,
            },
        ),
    ],
)
def test_every_structure_field_reaches_the_message(full, to_msg, others):
    """A field added to a structure but not to its conversion fails here."""
    assert set(others) == {field.name for field in fields(full)}
    for name, value in others.items():
        assert to_msg(replace(full, **{name: value})) != to_msg(full), name


def test_enums_agree():
    """The numbers of structures and messages are the same, and 0 claims nothing."""
    for enum, kind in ((ObjectState, SceneObjectMessage), (ChangeKind, SceneChange)):
        assert {member.name: getattr(kind, member.name) for member in enum} == {
            member.name: int(member) for member in enum
        }
    assert SceneObjectMessage().state == ObjectState.UNKNOWN
    assert SceneChange().kind == ChangeKind.UNKNOWN


def test_id_width():
    """Ids in messages are as wide as the largest one a counter may reach."""
    for kind, name in (
        (SceneObjectMessage, 'object_id'),
        (SceneChange, 'object_id'),
        (SceneChange, 'other_id'),
    ):
        assert kind.get_fields_and_field_types()[name] == 'uint64'


def visit(visit_id, stamp_ns, status):
    """Return a stored visit."""
    return VisitInfo(visit_id, stamp_ns, status, 'v', 3)


def test_arrays_carry_frame_stamp_map_and_revision():
    """The newest processed visit gives the stamp; waiting ones do not."""
    snapshot = MemorySnapshot(
        'house',
        'floor_1',
        5,
        ('cabinet', 'bed'),
        (
            visit(1, 10**9, VisitStatus.DONE),
            visit(2, 3 * 10**9 + 5, VisitStatus.DONE),
            visit(3, 9 * 10**9, VisitStatus.PENDING),
        ),
        (full_object(),),
    )
    message = conversions.objects_to_msg(snapshot)
    assert (message.header.frame_id, message.map_id) == ('floor_1', 'house')
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (3, 5)
    assert (message.revision, message.visit_id) == (5, 2)
    assert message.class_names == ['cabinet', 'bed']
    assert [item.object_id for item in message.objects] == [7]

    changes = VisitChanges(visit(2, 3 * 10**9 + 5, VisitStatus.DONE), 5, (full_change(),))
    message = conversions.changes_to_msg(changes, 'house', 'floor_1')
    assert (message.header.frame_id, message.map_id) == ('floor_1', 'house')
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (3, 5)
    assert (message.revision, message.visit_id) == (5, 2)
    assert [change.object_id for change in message.changes] == [7]


def test_empty_memory_has_no_visit():
    """A memory without visits claims none."""
    message = conversions.objects_to_msg(MemorySnapshot('m', 'map', 0, (), (), ()))
    assert (message.visit_id, message.revision, message.objects) == (0, 0, [])


def cloud(n=50, seed=0):
    """Return random labeled points."""
    rng = np.random.default_rng(seed)
    scan = Scan(
        rng.normal(size=(n, 3)).astype(np.float32),
        5 * 10**9 + 7,
        rng.integers(0, 256, (n, 3), dtype=np.uint8),
        frame_id='floor_1',
    )
    return (
        scan,
        rng.integers(0, 9, n),
        rng.integers(-1, 18, n).astype(np.int32),
        rng.random(n).astype(np.float32),
    )


def test_segmented_cloud_reads_back():
    """A reader that knows only the field table finds every point's values."""
    scan, ids, classes, scores = cloud()
    message = conversions.segmented_cloud(scan, ids, classes, scores, 'floor_1')
    assert (message.height, message.width) == (1, len(scan))
    assert message.header.frame_id == 'floor_1'
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (5, 7)
    formats = {PointField.FLOAT32: '<f4', PointField.UINT32: '<u4', PointField.INT32: '<i4'}
    points = np.frombuffer(
        message.data,
        np.dtype(
            {
                'names': [f.name for f in message.fields],
                'formats': [formats[f.datatype] for f in message.fields],
                'offsets': [f.offset for f in message.fields],
                'itemsize': message.point_step,
            }
        ),
    )
    np.testing.assert_array_equal(np.stack([points[a] for a in 'xyz'], 1), scan.xyz)
    packed = points['rgb'].view(np.uint32)
    np.testing.assert_array_equal(
        np.stack([packed >> shift & 255 for shift in (16, 8, 0)], 1), scan.rgb
    )
    for name, values in (('instance', ids), ('class', classes), ('score', scores)):
        np.testing.assert_array_equal(points[name], values)


def test_segmented_cloud_refuses_ids_that_do_not_fit():
    """A wrapped id would be another object's."""
    scan, ids, classes, scores = cloud()
    ids[3] = 2**32
    with pytest.raises(ScanError, match=str(2**32)):
        conversions.segmented_cloud(scan, ids, classes, scores, 'map')


@given(st.integers(0, 2**31 * 10**9 - 1))
def test_time_survives(stamp_ns):
    """Nanoseconds are exact."""
    message = conversions.time_to_msg(stamp_ns)
    assert 0 <= message.nanosec < 10**9
    assert conversions.time_from_msg(message) == stamp_ns


def test_box_orientation_is_a_unit_quaternion():
    """REP-103: the turn is about z, counter-clockwise."""
    turn = conversions.box_to_msg(Box((0, 0, 0), (1, 1, 1), math.pi / 2)).pose.orientation
    assert (turn.x, turn.y) == (0.0, 0.0)
    assert turn.z == pytest.approx(math.sqrt(0.5))
    assert turn.w == pytest.approx(math.sqrt(0.5))
