"""Superpoints in sequence files: the same that a reader cuts from what the file holds."""

from dataclasses import replace

import numpy as np
from rescene4d_ros.config import make
from rescene4d_ros.data.sequences.cut_sequences import write_cut_sequence
from rescene4d_ros.data.sequences.sequence_file import read_extras, read_sequence, room_of
from rescene4d_ros.geometry.superpoints.cut import SuperpointConfig, superpoints
from rescene4d_ros.structures import ScanSequence
from rescene4d_ros.structures.truth import SequenceTruth, VisitTruth

CONFIG = SuperpointConfig(voxel_size=0.04, max_extent=0.6)


def toy(boxes_room, normals=True):
    """Return two visits of boxes on a floor, far from the origin, finer than a file holds."""
    scans, truths = [], []
    for t in range(2):
        scan, instance = boxes_room(
            [
                ((0.5 + t, 0.6, 0.0), (0.5, 0.4, 0.7), (200, 40, 40)),
                ((2.0, 2.0, 0.0), (0.4, 0.5, 0.5), (40, 40, 200)),
            ],
            seed=t,
            stamp_ns=t + 1,
        )
        noise = np.random.default_rng(t).normal(0, 0.002, scan.xyz.shape)
        xyz = (scan.xyz + noise + (57.123, -33.4, 1.7)).astype(np.float32)
        scans.append(replace(scan, xyz=xyz, normals=scan.normals if normals else None))
        truths.append(VisitTruth(instance, np.zeros_like(instance), ()))
    return ScanSequence(tuple(scans), 'toy'), SequenceTruth(tuple(truths))


def test_reader_cuts_the_same(tmp_path, boxes_room):
    """With the settings the file tells, from given and from estimated normals."""
    for name, sequence in (('a', toy(boxes_room)), ('b', toy(boxes_room, normals=False))):
        path = tmp_path / f'{name}.npz'
        write_cut_sequence(path, *sequence, CONFIG)
        extras = read_extras(path)
        config = make(SuperpointConfig, extras.notes['superpoints'])
        assert config == CONFIG
        for scan, stored in zip(read_sequence(path)[0].scans, extras.superpoint, strict=True):
            cut = superpoints(
                scan.xyz, scan.normals, scan.rgb, config, sensor_path=scan.sensor_path
            )
            np.testing.assert_array_equal(stored, cut)
            assert stored.max() > 10


def test_pieces_keep_to_one_object(tmp_path, boxes_room):
    """What the file holds is worth learning from: nearly every point's piece is of its object."""
    path = tmp_path / 'a.npz'
    sequence, truth = toy(boxes_room)
    write_cut_sequence(path, sequence, truth)
    for stored, visit in zip(read_extras(path).superpoint, truth.visits, strict=True):
        counts = np.zeros((stored.max() + 1, visit.instance.max() + 1))
        np.add.at(counts, (stored, visit.instance), 1)
        assert counts.max(axis=1).sum() / counts.sum() > 0.95


def test_file_with_superpoints_is_still_a_room_of_its_own(tmp_path, boxes_room):
    """Only files of public data sets share a room."""
    path = tmp_path / 'scene0001_00-x.npz'
    write_cut_sequence(path, *toy(boxes_room))
    assert room_of(path) == path.stem
