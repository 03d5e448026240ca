"""Costs per stage: which stages a way to segment enters, and memory of cached visits."""

from itertools import count

from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.profile import peak_memory, stage_costs, Stopwatch
from rescene4d_ros.inference.segmenter import STAGES


def test_stages_are_summed_until_restart():
    watch = Stopwatch(count(step=2).__next__)
    for stage in ('encode', 'encode', 'decode'):
        with watch(stage):
            pass
    assert watch.seconds == dict.fromkeys(STAGES, 0.0) | {'encode': 4, 'decode': 2}
    watch.restart()
    assert not any(watch.seconds.values())


def test_cached_visits_skip_what_they_should(weights, scans):
    """With a clock that ticks once per question, a stage costs as often as it is entered."""
    config = InferenceConfig(weights=str(weights), device='cpu', torch_threads=1)
    costs = stage_costs(config, scans, 2, count().__next__)
    once = {'share_time': 1, 'decode': 1, 'masks': 1, 'normals': 0}
    for way, n in (('anew', 2), ('one_cached', 1), ('cached', 0)):
        expected = once | dict.fromkeys(('superpoints', 'voxelize', 'encode'), n)
        assert {stage: costs[way][stage] for stage in STAGES} == expected
        # The clock is also asked at both ends of every stage.
        assert costs[way]['total'] == 2 * sum(expected.values()) + 1


def test_peak_memory_covers_what_the_process_holds(weights, scans):
    config = InferenceConfig(weights=str(weights), device='cpu', torch_threads=1)
    peak = peak_memory(config, scans)
    assert peak is None or 0.05 < peak < 64
