"""A drive as a bag: what reads it finds each cloud and where its sensor was."""

from types import SimpleNamespace

import numpy as np
from rescene4d_ros.data.readers.bags.drive_writing import CLOUDS_TOPIC, ODOMETRY, write_drives
from rescene4d_ros.data.readers.bags.transforms import TransformTree
from rescene4d_ros.data.readers.point_cloud2 import scan_from_cloud
from rosbags.highlevel import AnyReader
from scipy.spatial.transform import Rotation

START_NS = 1_700_000_000 * 10**9


def pose(seed):
    """Return a random rigid motion."""
    out = np.eye(4)
    out[:3, :3] = Rotation.random(random_state=seed).as_matrix()
    out[:3, 3] = np.random.default_rng(seed).uniform(-2, 2, 3)
    return out


def frame(k, day=0):
    """Return what a robot publishes; the mast does not move on it."""
    mount = pose(100 + k)
    mount[:3, 3] = 0.1, 0.0, 1.4
    return SimpleNamespace(
        stamp_ns=START_NS + k * 10**8 + day * 86_400 * 10**9,
        xyz=np.random.default_rng(k).uniform(-1, 1, (50, 3)).astype(np.float32),
        rgb=np.full((50, 3), k, np.uint8),
        map_T_odom=pose(k),
        odom_T_base=pose(10 + k),
        base_T_camera=mount,
    )


def test_transforms_of_the_bag_lead_from_the_camera_to_the_map(tmp_path):
    """At the stamp of each cloud, of two drives; odometry says the same."""
    drives = [[frame(k) for k in range(3)], [frame(k, day=1) for k in range(3)]]
    write_drives(tmp_path / 'bag', drives)
    tree = TransformTree.of_files(sorted((tmp_path / 'bag').glob('*.mcap')))
    clouds, poses = [], []
    with AnyReader([tmp_path / 'bag']) as reader:
        for connection, _, data in reader.messages():
            message = reader.deserialize(data, connection.msgtype)
            if connection.topic == CLOUDS_TOPIC:
                clouds.append(scan_from_cloud(message))
            elif connection.msgtype == ODOMETRY:
                poses.append(message)
    for sent, cloud, odometry in zip([*drives[0], *drives[1]], clouds, poses, strict=True):
        true = sent.map_T_odom @ sent.odom_T_base @ sent.base_T_camera
        assert (cloud.stamp_ns, cloud.frame_id) == (sent.stamp_ns, 'camera')
        np.testing.assert_array_equal(cloud.xyz, sent.xyz)
        np.testing.assert_allclose(tree.lookup('map', 'camera', sent.stamp_ns), true, atol=1e-9)
        at = odometry.pose.pose.position
        np.testing.assert_allclose([at.x, at.y, at.z], true[:3, 3])
        assert (odometry.header.frame_id, odometry.child_frame_id) == ('map', 'camera')
