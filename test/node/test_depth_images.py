"""Depth images as input of the visit builder: pairs of images, and a drive over real DDS."""

from dataclasses import replace

from geometry_msgs.msg import Point, Quaternion
from hypothesis import given, settings
from hypothesis import strategies as st
from nav_msgs.msg import Odometry
import numpy as np
import pytest
from rescene4d_ros.config import make
from rescene4d_ros.data.readers.images.image_pairs import ImagePairs, MOST
from rescene4d_ros.data.readers.point_cloud2 import scan_from_cloud
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.messages.conversions import time_to_msg
from rescene4d_ros.scene.mask_source import load_masks, tracker_for
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.structures import ObjectState, Scan
from rescene4d_ros.synthetic_rooms import make_life, RoomsConfig
from rescene4d_ros.synthetic_rooms.robot_drive.drive import make_drive
from rescene4d_ros.tracking.settings import TrackerConfig
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_msgs.msg import Header
from std_srvs.srv import Trigger

ROOM = {
    'visits': 1, 'room_type': 'office', 'min_objects': 6, 'max_objects': 6, 'views': 12,
    'view_width': 240, 'view_height': 180, 'p_hidden_zone': 0.0,
}  # fmt: skip


class Pairs(ImagePairs):
    """Note what is joined and refused."""

    def __init__(self, slop_ns):
        self.joined, self.refused = [], []
        super().__init__(slop_ns, lambda d, c: self.joined.append((d, c)), self.refused.append)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-4, 4), min_size=3, max_size=30), st.randoms(), st.integers(0, 5))
def test_every_depth_image_gets_its_color_in_any_order(jitter, random, late):
    """Stamps that differ by less than the slop, colors early or late: all pairs, in order."""
    depths = [100 * k for k in range(len(jitter))]
    events = [(at + random.randint(-20, 20), 'depth', k) for k, at in enumerate(depths)]
    events += [(100 * (k + late) + 1, 'color', k) for k in range(len(jitter))]
    pairs = Pairs(5)
    for _, kind, k in sorted(events):
        if kind == 'depth':
            pairs.add_depth(depths[k], k)
        else:
            pairs.add_color(depths[k] + jitter[k], k)
    pairs.add_color(depths[-1] + 100, 'end')
    assert pairs.joined == [(k, k) for k in range(len(jitter))]
    assert not pairs.refused


def test_a_depth_image_without_color_is_refused_and_holds_up_no_other():
    """One whose color is lost, colors that stop, and stamps that jump far ahead."""
    pairs = Pairs(5)
    pairs.add_depth(100, 'a')
    pairs.add_depth(200, 'b')
    pairs.add_color(201, 'B')
    assert pairs.joined == [('b', 'B')]
    assert 'nearest 0.000 s away; check the topic color' in str(pairs.refused[0])
    for k in range(MOST + 1):
        pairs.add_depth(300 + k, k)
    assert len(pairs.refused) == 2
    pairs.add_color(10**12, 'wrong')
    pairs.add_depth(400, 'c')
    pairs.add_color(400, 'C')
    assert len(pairs.refused) == 2 + MOST + 1  # that of the wrong stamp took the rest with it
    pairs.add_depth(500, 'd')
    pairs.add_color(500, 'D')
    assert pairs.joined[-1] == ('d', 'D')


def image(pixels, encoding, stamp_ns):
    """Return an image of the camera."""
    return Image(
        header=Header(stamp=time_to_msg(stamp_ns), frame_id='camera'),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        step=pixels.strides[0],
        data=pixels.tobytes(),
    )


def odometry(frame):
    """Return where the camera is in the map."""
    pose = frame.map_T_odom @ frame.odom_T_base @ frame.base_T_camera
    message = Odometry(child_frame_id='camera')
    message.header = Header(stamp=time_to_msg(frame.stamp_ns), frame_id='map')
    x, y, z = map(float, pose[:3, 3])
    message.pose.pose.position = Point(x=x, y=y, z=z)
    x, y, z, w = map(float, Rotation.from_matrix(pose[:3, :3]).as_quat())
    message.pose.pose.orientation = Quaternion(x=x, y=y, z=z, w=w)
    return message


@pytest.mark.slow
def test_depth_images_give_the_objects_that_clouds_give(
    client, processes, cloud_message, tmp_path
):
    """
    Two builders get the same drive, one as clouds, one as depth, color and camera_info.

    Their snapshots are two visits of one memory: every object keeps its id, and nothing changed.
    """
    config = make(RoomsConfig, ROOM)
    drive = make_drive(make_life(3, config), 0, 3, config, 8.0, 10.0)
    given = {'autostart': 'true', 'pose_source': 'odometry', 'clouds_reliability': 'reliable'}
    depth = {'input': 'depth', 'depth.color': 'raw', 'depth.pixel_step': 1}
    got = {}
    for name, more in (('clouds', {}), ('images', depth)):
        params = {**given, **more, 'spool': tmp_path / f'{name}.spool', 'waiting_limit': 100}
        remap = [f'__node:=of_{name}', f'snapshots:=of_{name}']
        processes.start('visit_builder.main', params=params, remap=remap)
        got[name] = client.listen(interfaces.SNAPSHOTS, f'of_{name}')
    kinds = {
        'odometry': Odometry, 'clouds': PointCloud2, 'depth': Image, 'color': Image,
        'camera_info': CameraInfo,
    }  # fmt: skip
    out = {name: client.node.create_publisher(kind, name, 100) for name, kind in kinds.items()}
    for name, publisher in out.items():
        most = 2 if name == 'odometry' else 1
        client.wait(lambda p=publisher, n=most: p.get_subscription_count() == n)
    diagnostics = {name: client.listen_to_diagnostics(f'of_{name}') for name in got}
    stamps = []
    for frame in drive.frames():
        rows, columns = frame.depth.shape
        info = CameraInfo(width=columns, height=rows, k=drive.camera_matrix.reshape(-1))
        info.header.frame_id = 'camera'
        out['odometry'].publish(odometry(frame))
        out['clouds'].publish(cloud_message(Scan(frame.xyz, frame.stamp_ns, frame.rgb), 'camera'))
        out['camera_info'].publish(info)
        out['color'].publish(image(frame.color, 'rgb8', frame.stamp_ns + 3_000_000))
        depth_mm = np.rint(frame.depth * 1000).astype(np.uint16)
        out['depth'].publish(image(depth_mm, '16UC1', frame.stamp_ns))
        stamps.append(frame.stamp_ns)
        client.spin(0.02)
    scans = {}
    for name, messages in got.items():
        count = str(len(stamps))
        client.wait(lambda d=diagnostics[name], n=count: d.entry('clouds')[2]['received'] == n)
        assert diagnostics[name].entry('clouds')[2]['refused'] == '0'
        answer = client.call(Trigger, f'/of_{name}/finish', Trigger.Request())
        assert answer.success, answer.message
        client.wait(lambda m=messages: m)
        scans[name] = scan_from_cloud(messages[0])
    one, other = scans['clouds'], scans['images']
    for a, b in ((one, other), (other, one)):
        assert (cKDTree(a.xyz).query(b.xyz)[0] < 0.04).mean() > 0.97
    off, at = cKDTree(one.xyz).query(other.xyz)
    assert np.median(np.abs(one.rgb[at[off < 0.01]].astype(int) - other.rgb[off < 0.01])) < 4
    segmenter = load_masks(make(InferenceConfig, {'torch_threads': 1}))
    with SceneMemory.open(
        tmp_path / 'memory',
        map_id='map',
        frame_id='map',
        class_names=segmenter.class_names,
        weights_hash=segmenter.weights_hash,
    ) as memory:
        tracker = SceneTracker(memory, segmenter, tracker_for(TrackerConfig(), 'network'))
        tracker.add_visit(one)
        tracker.add_visit(replace(other, stamp_ns=one.stamp_ns + 86_400 * 10**9))
        objects = memory.snapshot().objects
        assert len(objects) >= 4
        assert {item.state for item in objects} == {ObjectState.PRESENT}
        assert memory.changes() == ()
