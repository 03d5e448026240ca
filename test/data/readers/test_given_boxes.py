"""Boxes as instances: of files, arrays and messages, in a room of which every point is known."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from rescene4d_ros.data.readers.cloud_files import read_cloud
from rescene4d_ros.data.readers.formats.box_files import read_boxes
from rescene4d_ros.data.readers.given_boxes import boxes_of_detections, boxes_of_rows, with_boxes
from rescene4d_ros.errors import FileFormatError, ScanError
from rescene4d_ros.structures import INSTANCE_CLASSES, Scan
from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from scipy.spatial.transform import Rotation

CHAIR = INSTANCE_CLASSES.index('chair')
# Definitions of vision_msgs 4, as bags carry them.
DETECTIONS = {
    'Detection3DArray': 'std_msgs/Header header\nvision_msgs/Detection3D[] detections',
    'Detection3D': 'std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n'
    'vision_msgs/BoundingBox3D bbox\nstring id',
    'ObjectHypothesisWithPose': 'vision_msgs/ObjectHypothesis hypothesis\n'
    'geometry_msgs/PoseWithCovariance pose',
    'ObjectHypothesis': 'string class_id\nfloat64 score',
    'BoundingBox3D': 'geometry_msgs/Pose center\ngeometry_msgs/Vector3 size',
}


@pytest.fixture
def room(boxes_room):
    """Return a floor with a wall, a shelf against it, and a chair with a cushion, all apart."""
    low, size = np.array([0.5, 0.05, 0.0]), np.array([0.8, 0.3, 1.0])
    scan, part = boxes_room(
        [
            ((0.0, -0.05, 0.0), (3.0, 0.05, 2.4), (200, 200, 200)),  # wall
            (low, size, (90, 60, 40)),  # shelf
            ((2.0, 1.5, 0.0), (0.5, 0.5, 0.4), (150, 60, 40)),  # chair
            ((2.1, 1.6, 0.42), (0.3, 0.3, 0.1), (60, 60, 140)),  # cushion
        ],
        density=1500,
    )
    return scan, part


def test_points_in_boxes_less_structure(room):
    """Floor and wall inside loose boxes are left out; the smaller of two boxes has the point."""
    scan, part = room
    given = boxes_of_rows(
        np.array(
            [
                [0.9, 0.18, 0.5, 0.9, 0.45, 1.1, 0.0],  # the shelf, loosely: wall and floor in it
                [2.25, 1.75, 0.26, 0.54, 0.54, 0.56, np.pi / 2],  # the chair with its cushion
                [2.25, 1.75, 0.47, 0.32, 0.32, 0.12, 0.0],  # the cushion alone
            ]
        ),
        ['bookshelf', CHAIR, 'cushion of a kind unknown'],
        np.array([0.9, 0.8, 0.7]),
        'boxes',
    )
    found = with_boxes(scan, given).given
    above = scan.xyz[:, 2] > 0.05
    for number, own in ((1, 2), (2, 3), (3, 4)):
        np.testing.assert_array_equal(
            (found.instance == number)[above], (part == own)[above], str(number)
        )
    assert not found.instance[part == 0].any()
    np.testing.assert_array_equal(
        [found.class_id[found.instance == k][0] for k in (1, 2, 3)],
        [INSTANCE_CLASSES.index('bookshelf'), CHAIR, -1],
    )
    np.testing.assert_allclose(
        [found.score[found.instance == k][0] for k in (0, 1, 2, 3)], [0, 0.9, 0.8, 0.7]
    )


def test_thin_boxes_keep_the_surface_they_lie_on(room):
    """A rug is floor, a picture is wall: nothing else is in their boxes."""
    scan, part = room
    rows = [[1.0, 2.0, 0.0, 1.0, 0.6, 0.05, 0.0], [2.0, -0.025, 1.6, 0.6, 0.1, 0.4, 0.0]]
    found = with_boxes(scan, boxes_of_rows(np.array(rows), None, None, 'boxes')).given
    x, y, z = scan.xyz.T
    np.testing.assert_array_equal(
        found.instance == 1, (part == 0) & (np.abs(x - 1) <= 0.5) & (np.abs(y - 2) <= 0.3)
    )
    picture = (part == 1) & (np.abs(x - 2) <= 0.3) & (np.abs(z - 1.6) <= 0.2)
    np.testing.assert_array_equal(found.instance == 2, picture)


def test_boxes_are_in_the_map_whatever_its_origin(room):
    scan, _ = room
    far = Scan(scan.xyz, 0, scan.rgb, scan.normals, origin=(500_000.0, 5_000_000.0, 0.0))
    row = np.array([[2.25, 1.75, 0.26, 0.54, 0.54, 0.56, 0.3]])
    near_found = with_boxes(scan, boxes_of_rows(row, None, None, 'boxes')).given
    row[0, :2] += far.origin[:2]
    far_found = with_boxes(far, boxes_of_rows(row, None, None, 'boxes')).given
    assert near_found.instance.any()
    np.testing.assert_array_equal(far_found.instance, near_found.instance)


def test_files_and_arrays_give_the_same_boxes(room, tmp_path):
    scan, _ = room
    row = [2.25, 1.75, 0.26, 0.54, 0.54, 0.56, 0.3]
    (tmp_path / 'a.json').write_text(
        json.dumps(
            [{'center': row[:3], 'size': row[3:6], 'yaw': 0.3, 'class': 'chair', 'score': 0.5}]
        )
    )
    header = 'x,y,z,size_x,size_y,size_z,yaw,class,score\n'
    (tmp_path / 'a.csv').write_text(header + ','.join(map(str, row)) + ',chair,0.5\n')
    np.savez(tmp_path / 'a.npz', xyz=scan.xyz, normals=scan.normals, boxes=[row])
    expected = with_boxes(scan, read_boxes(tmp_path / 'a.json')).given
    assert expected.class_id[expected.instance == 1][0] == CHAIR
    assert expected.score[expected.instance == 1][0] == 0.5
    from_csv = with_boxes(scan, read_boxes(tmp_path / 'a.csv')).given
    for one, other in zip(vars(from_csv).values(), vars(expected).values()):
        np.testing.assert_array_equal(one, other)
    from_array = read_cloud(tmp_path / 'a.npz', 0)[0].given
    np.testing.assert_array_equal(from_array.instance, expected.instance)
    np.savez(tmp_path / 'b.npz', xyz=scan.xyz, boxes=[row], box_class=['bed'], box_score=[0.25])
    with_class = read_cloud(tmp_path / 'b.npz', 0)[0].given
    inside = with_class.instance == 1
    assert set(with_class.class_id[inside]) == {INSTANCE_CLASSES.index('bed')}
    assert set(with_class.score[inside]) == {0.25}


@pytest.mark.parametrize(
    ('name', 'text', 'error', 'says'),
    [
        ('a.json', '[{"center": [0, 0], "size": [1, 1, 1]}]', FileFormatError, 'three numbers'),
        ('a.json', '{', FileFormatError, r'expected a \.json list'),
        ('a.json', '[{"center": [0, 0, NaN], "size": [1, 1, 1]}]', ScanError, 'finite rows'),
        ('a.json', '[{"center": [0, 0, 0], "size": [1, 0, 1]}]', ScanError, 'sizes of boxes'),
        ('a.csv', 'x,y,z\n0,0,0\n', FileFormatError, "KeyError: 'size_x'"),
        (
            'a.json',
            '[{"center": [0, 0, 0], "size": [1, 1, 1], "score": 2}]',
            ScanError,
            'scores of boxes from 0 to 1',
        ),
    ],
)
def test_files_that_hold_no_boxes(tmp_path, name, text, error, says):
    (tmp_path / name).write_text(text)
    with pytest.raises(error, match=says):
        read_boxes(tmp_path / name)


@pytest.fixture
def detections():
    """Return a function that makes a message of poses, sizes and hypotheses."""
    store = get_typestore(Stores.ROS2_JAZZY)
    for name, text in DETECTIONS.items():
        store.register(get_types_from_msg(text, f'vision_msgs/msg/{name}'))
    types = SimpleNamespace(**{k.rpartition('/')[2]: v for k, v in store.types.items()})

    def make_message(*found):
        none = types.PoseWithCovariance(
            types.Pose(types.Point(0, 0, 0), types.Quaternion(0, 0, 0, 1)), np.zeros(36)
        )
        header = types.Header(types.Time(5, 7), 'map')
        return types.Detection3DArray(
            header,
            [
                types.Detection3D(
                    header,
                    [
                        types.ObjectHypothesisWithPose(types.ObjectHypothesis(*guess), none)
                        for guess in guesses
                    ],
                    types.BoundingBox3D(
                        types.Pose(types.Point(*place), types.Quaternion(*turn)),
                        types.Vector3(*size),
                    ),
                    '',
                )
                for place, turn, size, guesses in found
            ],
        )

    return make_message


def test_detections_become_boxes(detections):
    """In the map as they are; the best hypothesis decides; no rotation at all is none."""
    turn = Rotation.from_euler('z', 0.4).as_quat()
    message = detections(
        ((1, 2, 0.5), turn, (0.9, 0.4, 1.0), [('table', 0.2), ('couch', 0.7)]),
        ((0, 0, 0.5), (0, 0, 0, 0), (0.5, 0.4, 1.0), []),
    )
    given = boxes_of_detections(message)
    np.testing.assert_allclose(given.boxes[0].center, (1, 2, 0.5))
    np.testing.assert_allclose(given.boxes[0].size, (0.9, 0.4, 1.0))
    assert given.boxes[0].yaw == pytest.approx(0.4)
    assert given.boxes[1].yaw == 0
    np.testing.assert_array_equal(given.class_id, [INSTANCE_CLASSES.index('sofa'), -1])
    np.testing.assert_allclose(given.score, [0.7, 1.0])


def test_detections_in_the_frame_of_a_camera(detections):
    """An optical frame looks along z with y down: its boxes stand upright in the map."""
    map_T_camera = np.eye(4)
    map_T_camera[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
    map_T_camera[:3, 3] = (1.0, 2.0, 1.5)
    message = detections(((0.5, 1.0, 3.0), (0, 0, 0, 1), (0.4, 1.0, 0.8), [('chair', 1.0)]))
    (box,) = boxes_of_detections(message, map_T_camera).boxes
    np.testing.assert_allclose(box.center, (4.0, 1.5, 0.5), atol=1e-12)
    c, s = abs(np.cos(box.yaw)), abs(np.sin(box.yaw))
    extent = (c * box.size[0] + s * box.size[1], s * box.size[0] + c * box.size[1], box.size[2])
    np.testing.assert_allclose(extent, (0.8, 0.4, 1.0), atol=1e-9)


def test_a_detection_without_extent_is_refused(detections):
    message = detections(((0, 0, 0), (0, 0, 0, 1), (0.4, 0.0, 0.8), []))
    with pytest.raises(ScanError, match='sizes of boxes above 0'):
        boxes_of_detections(message)
