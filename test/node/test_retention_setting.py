"""A node thins old visits where the setting says so, and never otherwise."""

from __future__ import annotations

from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.node.parameters import RetentionConfig
from rescene4d_ros.node.processing_thread import thinning
from rescene4d_ros.scene.mask_source import load_masks, tracker_for
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.tracking.settings import TrackerConfig


def test_visits_older_than_the_setting_are_thinned(tmp_path, boxes_room):
    table = ((1.6, 1.7, 0.0), (0.9, 0.6, 0.7), (60, 60, 180))
    masks = load_masks(InferenceConfig(source='none'))
    with SceneMemory.open(tmp_path / 'memory', 'map', 'map', masks.class_names) as memory:
        tracker = SceneTracker(memory, masks, tracker_for(TrackerConfig(), 'none'))
        for day in range(3):
            scan, _ = boxes_room(
                [table], seed=day, density=400, stamp_ns=(day + 1) * 86400 * 10**9
            )
            tracker.add_visit(scan)
        before = [visit.n_points for visit in memory.visits()]
        assert thinning(memory, RetentionConfig())() == 0
        assert thinning(memory, RetentionConfig(thin_after=36500.0))() == 0
        step = thinning(memory, RetentionConfig(thin_after=1.0, spacing=0.2))
        assert [step(), step()] == [1, 0]
        after = [visit.n_points for visit in memory.visits()]
        assert [after[0], after[2]] == [before[0], before[2]]
        assert after[1] < before[1]
