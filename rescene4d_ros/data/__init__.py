"""Readers and writers of visits: clouds, bags, made sequences; knows no network and no memory."""
from rescene4d_ros.data.bags import offered_qos, read_snapshots, snapshots, write_snapshots
from rescene4d_ros.data.clouds import read_cloud
from rescene4d_ros.data.pointcloud import (
    cloud_array,
    cloud_fields,
    decode_cloud,
    scan_from_cloud,
)
from rescene4d_ros.data.sequence_file import read_sequence, write_sequence
from rescene4d_ros.data.truth_files import read_truth, write_truth_files

__all__ = ['cloud_array', 'cloud_fields', 'decode_cloud', 'offered_qos', 'read_cloud',
           'read_sequence', 'read_snapshots', 'read_truth', 'scan_from_cloud', 'snapshots',
           'write_sequence', 'write_snapshots', 'write_truth_files']
