"""`replay --build-visits` of depth images: a camera moves along a wall, as drivers record it."""

from io import BytesIO

import numpy as np
from PIL import Image
import pytest
from rescene4d_ros.cli.visits.inputs import find_visits
from rescene4d_ros.data.readers.bags.messages import (
    CAMERA_INFO,
    COMPRESSED_IMAGE,
    IMAGE,
    TRANSFORMS,
)
from rescene4d_ros.data.readers.bags.serialization import typestore
from rescene4d_ros.data.readers.images.recorded_images import DepthTopics
from rescene4d_ros.errors import FileFormatError
from rosbags.rosbag2 import StoragePlugin, Writer

STORE = typestore()
T = STORE.types
T0 = 1_700_000_000 * 10**9
STEP = 10**8  # ns
W, H, F = 64, 48, 40.0
DOWN = (np.arange(H) - (H - 1) / 2) / F  # of each row at a depth of 1
# The wall at 3 m, or the floor 1 m below the camera.
DEPTH = np.repeat(np.minimum(3.0, 1 / np.maximum(DOWN, 1e-3))[:, None], W, axis=1)
RED, BLUE = (200, 20, 20), (20, 20, 200)
COLOR = np.where((DEPTH == 3.0)[:, :, None], RED, BLUE).astype(np.uint8)
NAMES = {'depth': '/camera/depth/image_raw', 'color': '/camera/color/image_raw'}


def header(stamp_ns, frame='camera_optical'):
    return T['std_msgs/msg/Header'](
        T['builtin_interfaces/msg/Time'](*divmod(stamp_ns, 10**9)), frame
    )


def transforms(stamp_ns, x):
    """Return a camera at (x, -1, 1) that looks along y; its own y is down."""
    motion = T['geometry_msgs/msg/Transform'](
        translation=T['geometry_msgs/msg/Vector3'](x=x, y=-1.0, z=1.0),
        rotation=T['geometry_msgs/msg/Quaternion'](x=-(0.5**0.5), y=0.0, z=0.0, w=0.5**0.5),
    )
    stamped = T['geometry_msgs/msg/TransformStamped']
    return T[TRANSFORMS]([stamped(header(stamp_ns, 'map'), 'camera_optical', motion)])


def raw(stamp_ns, pixels, encoding):
    data = np.ascontiguousarray(pixels).reshape(-1).view(np.uint8)
    return T[IMAGE](header(stamp_ns), H, W, encoding, 0, len(data) // H, data)


def png(stamp_ns, pixels, said, head=b''):
    out = BytesIO()
    Image.fromarray(pixels).save(out, 'PNG')
    data = np.frombuffer(head + out.getvalue(), np.uint8)
    return T[COMPRESSED_IMAGE](header(stamp_ns), said, data)


def calibration(stamp_ns):
    k = np.array([F, 0, (W - 1) / 2, 0, F, (H - 1) / 2, 0, 0, 1])
    region = T['sensor_msgs/msg/RegionOfInterest'](0, 0, 0, 0, False)
    none = np.zeros(0)
    return T[CAMERA_INFO](
        header(stamp_ns), H, W, 'plumb_bob', none, k, np.zeros(9), np.zeros(12), 0, 0, region
    )


MM = np.rint(DEPTH * 1000).astype(np.uint16)
DEPTHS = {
    '16UC1': lambda t: raw(t, MM, '16UC1'),
    '32FC1': lambda t: raw(t, np.where(MM > 0, DEPTH, np.nan).astype('<f4'), '32FC1'),
    'compressedDepth': lambda t: png(t, MM, '16UC1; compressedDepth png', bytes(12)),
}
COLORS = {
    'rgb8': lambda t: raw(t, COLOR, 'rgb8'),
    'bgr8': lambda t: raw(t, COLOR[:, :, ::-1], 'bgr8'),
    'compressed': lambda t: png(t, COLOR, 'rgb8; png compressed bgr8'),
}


@pytest.fixture
def record(tmp_path):
    """Return what writes a bag of a drive: names of topics, and what makes their messages."""

    def write(images, count=25):
        path = tmp_path / 'bag'
        with Writer(path, version=9, storage_plugin=StoragePlugin.MCAP) as writer:

            def connection(topic, kind):
                return writer.add_connection(topic, kind, typestore=STORE)

            tf = connection('/tf', TRANSFORMS)
            info = connection('/camera/depth/camera_info', CAMERA_INFO)
            kinds = {name: make(T0).__msgtype__ for name, make in images.items()}
            topics = {name: connection(name, kind) for name, kind in kinds.items()}
            for k in range(count):
                stamp = T0 + k * STEP
                writer.write(
                    tf, stamp, STORE.serialize_cdr(transforms(stamp, -1.0 + 0.06 * k), TRANSFORMS)
                )
                for name, make in images.items():
                    late = 2_000_000 if 'color' in name else 0
                    data = STORE.serialize_cdr(make(stamp + late), kinds[name])
                    writer.write(topics[name], stamp + late, data)
                if k == 2:  # once, and after the first images
                    writer.write(info, stamp, STORE.serialize_cdr(calibration(stamp), CAMERA_INFO))
        return path

    return write


def built(path, **choice):
    """Return the only visit of a bag."""
    topic = choice.pop('topic', '')
    inputs = find_visits([path], build_visits=True, topic=topic, images=DepthTopics(**choice))
    scans = [read(None)[0] for read in inputs.visits()]
    assert inputs.count == len(scans) == 1
    return scans[0]


@pytest.mark.parametrize(('depth', 'color'), zip(DEPTHS, COLORS))
def test_depth_images_of_a_drive_are_one_visit(record, depth, color):
    """Wall and floor where they are, in their colors, with path and free space."""
    end = '/compressedDepth' if depth == 'compressedDepth' else ''
    scan = built(record({NAMES['depth'] + end: DEPTHS[depth], NAMES['color']: COLORS[color]}))
    on_wall, on_floor = np.abs(scan.xyz[:, 1] - 2) < 0.02, np.abs(scan.xyz[:, 2]) < 0.02
    assert (on_wall | on_floor).mean() > 0.99
    assert min(on_wall.mean(), on_floor.mean()) > 0.1
    one = on_wall != on_floor
    expected = np.where(on_wall[one, None], RED, BLUE)
    assert (np.abs(scan.rgb[one].astype(int) - expected) < 3).all(axis=1).mean() > 0.97
    assert scan.frame_id == 'map'
    np.testing.assert_allclose(scan.sensor_path[0], (-1, -1, 1), atol=1e-5)
    assert scan.free.at(np.array([[0.0, 0.5, 1.0], [0.0, 2.5, 1.0]])).tolist() == [True, False]


def test_without_color_images_there_are_points_without_color(record):
    """Infrared images of the same pixels are no color; what is named counts."""
    infrared = {'/camera/infra1/image_rect_raw': lambda t: raw(t, COLOR[:, :, 0], 'mono8')}
    path = record({NAMES['depth']: DEPTHS['16UC1'], **infrared, NAMES['color']: COLORS['rgb8']})
    assert built(path).rgb is not None
    assert built(path, color='none').rgb is None
    gray = built(path, color='/camera/infra1/image_rect_raw').rgb
    assert (gray[:, 0] == gray[:, 2]).all()


def test_topics_that_cannot_be_told_apart_are_named(record):
    """Two cameras: the error says which flag decides, and the flag does."""
    other = '/rear/depth/image_raw'
    path = record(
        {
            NAMES['depth']: DEPTHS['16UC1'],
            other: DEPTHS['32FC1'],
            NAMES['color']: COLORS['rgb8'],
            '/rear/color/image_raw': COLORS['bgr8'],
        }
    )
    with pytest.raises(FileFormatError, match=r'/rear/depth/image_raw; name one with --topic'):
        built(path)
    with pytest.raises(FileFormatError, match='name one with --color-topic'):
        built(path, topic=other)
    with pytest.raises(FileFormatError, match=r"'/missing'.*--color-topic"):
        built(path, topic=other, color='/missing')
    with pytest.raises(FileFormatError, match=r'expected one topic of .*PointCloud2.*/missing'):
        built(path, topic='/missing')
    assert len(built(path, topic=other, color='/rear/color/image_raw'))
