"""What a visit is looked at together with, and what people correct while it is."""

from __future__ import annotations

from contextlib import nullcontext
from threading import Event, Thread

import numpy as np
import pytest
from rescene4d_ros.errors import CorrectedMeanwhileError
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.segmenter import Segmenter
from rescene4d_ros.inference.weights_file import save_weights, WeightsInfo
from rescene4d_ros.memory import queries
from rescene4d_ros.memory.editing import corrections
from rescene4d_ros.memory.editing.undo import undo
from rescene4d_ros.memory.maintenance import retention
from rescene4d_ros.memory.maintenance.integrity import find_faults
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.scene.tracker import RESTARTS, SceneTracker
from rescene4d_ros.structures import ObjectState, Scan, Segmentation
from rescene4d_ros.tracking.settings import TrackerConfig
import torch

DAY = 86_400 * 10**9
CLASSES = ('box', 'other')
HALL, KITCHEN = 0.0, 6.0  # m; where the zones of the flat begin


class Boxes:
    """Find the two boxes of a zone by their height, and remember which visits came together."""

    def __init__(self):
        self.asked: list[list[str]] = []

    def segment(self, scans, keys) -> Segmentation:
        """Return one instance per box, shared by the visits that show it."""
        self.asked.append([scan.name for scan in scans])
        number = [(scan.xyz[:, 0] > KITCHEN - 1) * 2 + (scan.xyz[:, 1] > 2) for scan in scans]
        shown = [scan.xyz[:, 2] > 0.05 for scan in scans]
        names = np.unique(np.concatenate([n[s] for n, s in zip(number, shown)]))
        labels = tuple(
            np.where(s, np.searchsorted(names, n), -1).astype(np.int32)
            for n, s in zip(number, shown)
        )
        probs = np.tile(np.float32([0.9, 0.1]), (len(names), 1))
        return Segmentation(
            labels,
            probs,
            np.full(len(names), 0.9, np.float32),
            np.eye(4, dtype=np.float32)[names],
            tuple(s.astype(np.float32) for s in shown),
        )


def visit(day, *zones):
    """Scan zones of 4 m by 4 m, each a floor with two boxes on it."""
    rng = np.random.default_rng(day)
    parts = []
    for low in zones:
        floor = np.c_[rng.random((4000, 2)) * 4, np.zeros(4000)]
        parts.append(floor + (low, 0, 0))
        parts += [rng.random((400, 3)) * (0.5, 0.5, 0.5) + (low + 1, y, 0.1) for y in (0.5, 3)]
    return Scan(np.concatenate(parts).astype(np.float32), day * DAY, name=str(day))


@pytest.fixture
def start(tmp_path):
    """Return what opens the memory of the test with a tracker, as a started node does."""
    opened = []

    def start(segmenter, **settings):
        for memory in opened:
            memory.close()
        opened.append(SceneMemory.open(tmp_path / 'memory', 'flat', 'map', CLASSES))
        return SceneTracker(opened[-1], segmenter, TrackerConfig(**settings))

    yield start
    for memory in opened:
        memory.close()


def test_context_is_the_last_visit_of_the_same_zone(start):
    """Two zones in turn, then both at once; also after a restart, and in a reprocess."""
    segmenter = Boxes()
    tracker = start(segmenter)
    story = [(1, HALL), (2, KITCHEN), (3, HALL), (4, KITCHEN), (5, HALL), (6, HALL)]
    told = [['1'], ['2'], ['1', '3'], ['2', '4'], ['3', '5'], ['5', '6']]
    for day, zone in story[:4]:
        tracker.add_visit(visit(day, zone))
    assert segmenter.asked == told[:4]
    tracker = start(segmenter)
    for day, zone in story[4:]:
        tracker.add_visit(visit(day, zone))
    assert segmenter.asked == told
    assert len(tracker.memory.records) == 4  # the boxes of a zone are known again
    segmenter.asked.clear()
    tracker.reprocess(3)
    assert segmenter.asked == told[2:]
    wide = start(segmenter, window=3)
    wide.add_visit(visit(7, KITCHEN))
    wide.add_visit(visit(8, HALL, KITCHEN))
    assert segmenter.asked[-2:] == [['2', '4', '7'], ['6', '7', '8']]
    assert len(wide.memory.records) == 4


@pytest.fixture
def weights(tmp_path):
    """Return a weights file of a small untrained network that finds something."""
    torch.manual_seed(0)
    model = ReScene4D(
        ModelConfig(
            backbone='tiny',
            voxel_size=0.1,
            n_classes=2,
            hidden_dim=32,
            n_heads=4,
            ffn_dim=64,
            n_queries=12,
        )
    )
    save_weights(tmp_path / 'toy.safetensors', model, WeightsInfo(CLASSES))
    return tmp_path / 'toy.safetensors'


def test_after_a_restart_only_the_new_visit_is_encoded(start, weights):
    """The network's first half runs once per visit, whatever is started in between."""
    stages = []

    def watch(stage):
        stages.append(stage)
        return nullcontext()

    def restart():
        segmenter = Segmenter.load(
            InferenceConfig(str(weights), device='cpu', torch_threads=1, score_threshold=0.0),
            watch,
        )
        tracker = start(segmenter, birth_score=0.0)
        segmenter.keep_features(tracker.memory.files.derived)
        return tracker

    for day in (1, 2, 3):
        stages.clear()
        tracker = restart()
        tracker.add_visit(visit(day, HALL))
        assert stages.count('encode') == 1
    stages.clear()
    restart().reprocess()
    assert (stages.count('encode'), stages.count('decode')) == (0, 3)

    tracker = restart()
    kept = list((tracker.memory.path / 'visits' / 'derived').glob('*.features*'))
    assert len(kept) == 3
    retention.delete_object(tracker.memory, min(tracker.memory.records))
    left = {path.stem for path in kept if path.exists()}
    assert left <= {key.removesuffix('.npz') for key in tracker.memory.keys().values()}
    assert len(left) < 3  # what follows from deleted points is deleted


class Interrupted(Boxes):
    """Something else happens while the network works."""

    def __init__(self):
        super().__init__()
        self.meanwhile = []

    def segment(self, scans, keys) -> Segmentation:
        """Let it happen, then find the boxes."""
        if self.meanwhile:
            self.meanwhile.pop(0)()
        return super().segment(scans, keys)


def test_corrections_during_a_visit_are_not_lost(start):
    """The visit is worked out again with them, and the ids of the correction stand."""
    segmenter = Interrupted()
    tracker = start(segmenter)
    memory = tracker.memory
    for day in (1, 2):
        tracker.add_visit(visit(day, HALL))
    one, other = memory.records
    new = []

    def correct() -> None:
        corrections.rename(memory, one, 'crate')
        new.append(corrections.split(memory, other, 2))

    segmenter.meanwhile = [correct]
    update = tracker.add_visit(visit(3, HALL))
    assert segmenter.asked[2:] == [['2', '3']]  # what it says is not corrected
    assert {o.object_id for o in update.objects} == {one, other, *new}
    assert set(np.unique(update.object_ids)) == {0, one, *new}
    assert memory.names() == {one: 'crate'}
    assert queries.where_is(memory, new[0]).last_seen_ns == 3 * DAY

    segmenter.meanwhile = [lambda: corrections.merge(memory, one, other)]
    result = tracker.reprocess()
    assert len(segmenter.asked) == 3 + 6  # three visits, twice
    assert memory.aliases() == {other: one}
    assert one in {o.object_id for o in result.scene.objects}
    assert find_faults(memory) == ()


def test_visit_is_finished_though_somebody_corrects_without_end(start, caplog):
    """Corrections wait for it after some restarts, and none is lost."""
    segmenter = Interrupted()
    tracker = start(segmenter)
    memory = tracker.memory
    tracker.add_visit(visit(1, HALL))
    one = min(memory.records)
    begun, is_done, renamed = Event(), Event(), []

    def correct() -> None:
        while not is_done.is_set() and len(renamed) < 500:
            renamed.append(f'name {len(renamed)}')
            corrections.rename(memory, one, renamed[-1])
            begun.set()

    person = Thread(target=correct)
    segmenter.meanwhile = [lambda: (person.start(), begun.wait())]
    with caplog.at_level('INFO'):
        update = tracker.add_visit(visit(2, HALL))
    is_done.set()
    person.join()
    assert 1 <= caplog.text.count('processed once more') <= RESTARTS
    assert {o.object_id for o in update.objects} == set(memory.records)
    assert memory.names() == {one: renamed[-1]}
    assert memory.metadata.revision == 2 + len(renamed)
    assert find_faults(memory) == ()


def test_reprocess_gives_up_where_somebody_corrects_every_time(start):
    segmenter = Interrupted()
    tracker = start(segmenter)
    memory = tracker.memory
    for day in (1, 2):
        tracker.add_visit(visit(day, HALL))
    one = min(memory.records)
    segmenter.meanwhile = [
        lambda name=f'name {n // 2}': corrections.rename(memory, one, name)
        for n in range(2 * (1 + RESTARTS))
    ]
    before = repr(memory.past), memory.metadata.next_object_id
    with pytest.raises(CorrectedMeanwhileError, match='nothing is replaced'):
        tracker.reprocess()
    assert (repr(memory.past), memory.metadata.next_object_id) == before
    assert memory.names() == {one: f'name {RESTARTS}'}
    assert len(tracker.reprocess().visits) == 2


def test_failed_visit_keeps_what_was_corrected_meanwhile(start):
    """The correction stands, and the visit says why it failed."""
    segmenter = Interrupted()
    tracker = start(segmenter)
    tracker.add_visit(visit(1, HALL))
    one = min(tracker.memory.records)

    def correct_and_fail():
        corrections.lock(tracker.memory, one)
        raise RuntimeError('no memory left on the device')

    segmenter.meanwhile = [correct_and_fail]
    with pytest.raises(RuntimeError):
        tracker.add_visit(visit(2, HALL))
    assert 'no memory left' in tracker.memory.failure(2)
    assert tracker.memory.locked() == {one}


def test_merge_taken_back_after_a_visit_parts_what_each_was_before(start):
    """Both are what they were; the visit since stays with the older id, and a third was born."""
    tracker = start(Boxes())
    memory = tracker.memory
    for day in (1, 2):
        tracker.add_visit(visit(day, HALL))
    one, other = memory.records
    before = dict(memory.records)
    corrections.merge(memory, one, other)
    (third,) = {o.object_id for o in tracker.add_visit(visit(3, HALL)).objects} - {one}
    assert f'showed stays with {one}' in undo(memory)
    assert sorted(memory.records) == [one, other, third]
    again = memory.records[other]
    assert (again.state, again.n_observations) == (ObjectState.NOT_OBSERVED, 2)
    assert (again.box, again.last_seen_ns) == (before[other].box, 2 * DAY)
    assert np.array_equal(again.xyz, before[other].xyz)
    assert np.allclose(memory.records[one].box.center, before[one].box.center, atol=0.02)
    assert np.allclose(memory.records[one].box.size, before[one].box.size, atol=0.02)
    assert (memory.records[one].n_observations, memory.aliases()) == (3, {})
    corrections.merge(memory, other, third)  # what was born meanwhile is the younger one
    shown = [e.visit_id for e in queries.history_of(memory, other) if e.box is not None]
    assert shown == [1, 2, 3]
    tracker.add_visit(visit(4, HALL))
    assert set(np.unique(memory.labels(4))) == {0, one, other}
    assert find_faults(memory) == ()
