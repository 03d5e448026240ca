"""Rooms joined to a building: nothing of a room changes but its place, ids and stamps."""

import numpy as np
from rescene4d_ros.config import make
from rescene4d_ros.synthetic_rooms.building import make_building
from rescene4d_ros.synthetic_rooms.config import RoomsConfig

SMALL = {
    'visits': 2,
    'room_type': 'bath',
    'min_objects': 3,
    'max_objects': 4,
    'views': 4,
    'view_width': 60,
    'view_height': 45,
    'spacing': 0.05,
    'p_twin': 1.0,
}


def test_a_building_is_its_rooms_side_by_side():
    building = make_building(3, 3, make(RoomsConfig, SMALL))
    for t, scan in enumerate(building.sequence.scans):
        parts = [sequence.scans[t] for sequence, _ in building.rooms]
        truths = [truth.visits[t] for _, truth in building.rooms]
        assert {part.stamp_ns for part in parts} == {scan.stamp_ns}
        for field in ('xyz', 'rgb', 'normals', 'sensor_path'):
            whole = np.concatenate([getattr(part, field) for part in parts])
            np.testing.assert_array_equal(getattr(scan, field), whole)
        whole = np.concatenate([truth.instance for truth in truths])
        np.testing.assert_array_equal(building.truth.visits[t].instance, whole)
        ids = [{o.instance_id for o in truth.objects} for truth in truths]
        assert sum(map(len, ids)) == len(set().union(*ids))
        groups = [{o.ambiguity_group for o in truth.objects} - {0} for truth in truths]
        assert sum(map(len, groups)) == len(set().union(*groups))
        # Rooms do not overlap: each lies to the right of the one before.
        middles = [np.median(part.xyz[:, 0]) for part in parts]
        assert middles == sorted(middles)
        starts = [np.percentile(part.xyz[:, 0], 2) for part in parts[1:]]
        ends = [np.percentile(part.xyz[:, 0], 98) for part in parts]
        assert all(end < start for end, start in zip(ends, starts))
