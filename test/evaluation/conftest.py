"""Sequence files of a toy room, a segmenter that knows the truth, and a small untrained one."""

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.data.sequences.sequence_file import write_sequence
from rescene4d_ros.evaluation import ComparisonConfig, TrueMasks
from rescene4d_ros.evaluation.observations import Case, Observations
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.weights_file import save_weights, WeightsInfo
from rescene4d_ros.metrics.sequences import true_sequence
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.structures import Box, ChangeKind, INSTANCE_CLASSES, ObjectState, ScanSequence
from rescene4d_ros.structures.truth import SequenceTruth, TrueObject, VisitTruth
import torch

DAY = 86_400 * 10**9
THINGS = {
    1: ('chair', (0.45, 0.5, 0.9), (200, 40, 40)),
    2: ('table', (0.9, 0.6, 0.7), (60, 60, 180)),
    3: ('cabinet', (0.4, 0.8, 1.2), (230, 230, 220)),
}
PLACES = {1: (0.4, 0.5), 2: (1.6, 1.7), 3: (2.4, 0.2)}


def make_case(boxes_room, visits, name='toy'):
    """
    Return a sequence of a toy room with its truth.

    Parameters
    ----------
    boxes_room : callable
    visits : sequence of T dicts of int to (x, y), m
        Where each of THINGS stands; who is not named is not there.
    name : str

    """
    scans, truths, last = [], [], {}
    for t, places in enumerate(visits):
        scan, label = boxes_room(
            [((*xy, 0.0), *THINGS[i][1:]) for i, xy in places.items()],
            seed=t,
            density=400,
            stamp_ns=(t + 1) * DAY,
        )
        scans.append(scan)
        objects = []
        for i in sorted(last.keys() | places.keys()):
            here, known = i in places, i in last
            kind = ChangeKind.UNKNOWN
            if t and here and i not in visits[t - 1]:
                kind = ChangeKind.REAPPEARED if known else ChangeKind.ADDED
            elif t and here and last[i] != places[i]:
                kind = ChangeKind.MOVED
            elif t and not here and i in visits[t - 1]:
                kind = ChangeKind.REMOVED
            last[i] = places.get(i, last.get(i))
            pose = np.eye(4)
            pose[:2, 3] = last[i]
            objects.append(
                TrueObject(
                    i,
                    INSTANCE_CLASSES.index(THINGS[i][0]),
                    ObjectState.PRESENT if here else ObjectState.ABSENT,
                    here,
                    pose,
                    Box((*last[i], 0.0), THINGS[i][1]),
                    kind,
                )
            )
        instance = np.array([0, *places], dtype=np.int32)[label]
        truths.append(VisitTruth(instance, np.full(len(scan), -1, np.int32), tuple(objects)))
    truth = SequenceTruth(tuple(truths))
    return Case(ScanSequence(tuple(scans), name), truth, true_sequence(truth, name))


class TrueSegmenter(TrueMasks):
    """Give the truth, in a window one instance for what is one object; forgets nothing."""

    config = InferenceConfig(min_points=20)

    def __init__(self, case):
        super().__init__(case.sequence, case.truth)
        self._instances = {
            s.stamp_ns: v.instance for s, v in zip(case.sequence.scans, case.truth.visits)
        }

    def tune(self, config):
        """Take thresholds that mean nothing here."""

    def encode(self, scans, keys):
        """Have no features to compute."""

    def segment(self, scans, keys):
        """Return the truth of the scans; the first visit with a thing gives its row."""
        apart = super().segment(scans, keys)
        owner = {}
        for scan, label in zip(scans, apart.labels):
            instance = self._instances[scan.stamp_ns]
            owner |= {
                int(row): int(instance[label == row][0]) for row in np.unique(label[label >= 0])
            }
        kept = np.array(
            [min(r for r in owner if owner[r] == owner[row]) for row in sorted(owner)], dtype=int
        )
        rows, new = np.unique(kept, return_inverse=True)
        labels = tuple(np.append(new, -1)[label].astype(np.int32) for label in apart.labels)
        probs = 0.99 * apart.class_probs[rows] + 0.01 / len(INSTANCE_CLASSES)
        return replace(
            apart,
            labels=labels,
            class_probs=probs,
            scores=apart.scores[rows],
            features=probs,
            queries=np.array([owner[r] for r in rows], dtype=int),
        )


@pytest.fixture
def case(boxes_room):
    """Return the function that makes a case of the places of each visit."""
    return lambda *visits, name='toy': make_case(boxes_room, visits, name)


@pytest.fixture
def places():
    """Return where the things stand."""
    return dict(PLACES)


@pytest.fixture
def seen(tmp_path):
    """Return the function that makes observations of a case, by default with true masks."""

    def observe(case, segmenter=None, clock=lambda: 0.0, **settings):
        return Observations(
            case, segmenter or TrueSegmenter(case), ComparisonConfig(**settings), tmp_path, clock
        )

    return observe


class SlowSegmenter(TrueSegmenter):
    """Take 10 s for the features of a visit, 1 s for each visit that is segmented."""

    def __init__(self, case):
        super().__init__(case)
        self.now, self.known, self.asked = 0.0, set(), []

    def encode(self, scans, keys):
        """Take the time of the visits that are not known."""
        self.now += 10 * len(set(keys) - self.known)
        self.known |= set(keys)

    def segment(self, scans, keys):
        """Take the time of each visit, and note what was asked for."""
        self.encode(scans, keys)
        self.now += len(scans)
        self.asked.append(tuple(keys))
        return super().segment(scans, keys)


@pytest.fixture
def slow(case, places):
    """Return a case of three visits and a segmenter whose time can be told."""
    made = case(places, places, places)
    return made, SlowSegmenter(made)


@pytest.fixture
def weights(tmp_path):
    """Return a weights file of a small untrained network."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = ReScene4D(
        ModelConfig(
            backbone='tiny', voxel_size=0.1, hidden_dim=32, n_heads=4, ffn_dim=64, n_queries=12
        )
    )
    path = tmp_path / 'toy.safetensors'
    save_weights(path, model, WeightsInfo(INSTANCE_CLASSES))
    return path


@pytest.fixture
def data(case, places, tmp_path):
    """Return a folder of two sequence files: the chair moves; the table leaves and returns."""
    folder = tmp_path / 'data'
    folder.mkdir()
    moved, gone = places | {1: (0.5, 2.0)}, {i: places[i] for i in (1, 3)}
    for made in (case(places, moved, name='a'), case(places, gone, places, name='b')):
        write_sequence(folder / f'{made.sequence.name}.npz', made.sequence, made.truth)
    return folder
