"""Truth and prediction files: what was written is read, and every fault is named."""

import numpy as np
import pytest
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.metrics.files.score_files import (
    read_prediction_file,
    read_truth_file,
    write_prediction_file,
    write_truth_file,
)
from rescene4d_ros.metrics.sequences import PredictedChange
from rescene4d_ros.structures import ChangeKind

TRUTH = {
    'stage': np.repeat([0, 1], 4),
    'instance': np.array([1, 1, 2, 0, 1, 1, 2, 2]),
    'instance_id': np.array([1, 2]),
    'class_id': np.array([2, 4]),
}
PREDICTION = {
    'mask_points': np.array([0, 1, 4, 5, 2, 6]),
    'mask_starts': np.array([0, 4, 6]),
    'class_id': np.array([2, 4]),
    'score': np.array([0.9, 0.5]),
}
CHANGES = {
    'change_visit': np.array([1]),
    'change_kind': np.array([3]),
    'change_object_id': np.array([1]),
}


def truth_of(folder, **changed):
    """Write a truth by hand and read it; None leaves an array out."""
    np.savez(folder / 'a.npz', **{k: v for k, v in (TRUTH | changed).items() if v is not None})
    return read_truth_file(folder / 'a.npz')


def prediction_of(folder, **changed):
    """Write a prediction by hand and read it."""
    arrays = {k: v for k, v in (PREDICTION | changed).items() if v is not None}
    np.savez(folder / 'b.npz', **arrays)
    return read_prediction_file(folder / 'b.npz', truth_of(folder))


def test_least_files(tmp_path):
    """The arrays that are needed are enough."""
    truth, prediction = truth_of(tmp_path), prediction_of(tmp_path)
    assert (truth.name, truth.room, truth.n_visits) == ('a', 'a', 2)
    assert truth.changes is truth.states is truth.poses is prediction.changes is None
    assert prediction.object_ids.tolist() == [1, 2]


def test_nothing_found(tmp_path):
    """NumPy makes an empty list an array of floats."""
    np.savez(tmp_path / 'b.npz', mask_points=[], mask_starts=[0], class_id=[], score=[])
    prediction = read_prediction_file(tmp_path / 'b.npz', truth_of(tmp_path))
    assert len(prediction.scores) == len(prediction.points) == 0
    assert prediction.classes.dtype == np.int64
    with pytest.raises(FileFormatError, match='integers'):
        prediction_of(tmp_path, mask_points=PREDICTION['mask_points'].astype(float))


@pytest.mark.parametrize('dtype', [np.uint8, np.int16, np.uint32, np.uint64])
def test_any_integers(tmp_path, dtype):
    """Small and unsigned integers are read as what they say."""
    truth = truth_of(tmp_path, **{k: v.astype(dtype) for k, v in TRUTH.items()})
    assert truth.instance.tolist() == TRUTH['instance'].tolist()
    found = prediction_of(tmp_path, mask_starts=PREDICTION['mask_starts'].astype(dtype))
    assert found.starts.tolist() == [0, 4, 6]


def test_round_trip(tmp_path, scored):
    """Everything that can be said is read as it was written."""
    changes = np.array([[0, 3], [0, 2]])
    truth = scored.truth(
        [[1, 1, 2, 0], [1, 1, 2, 2]],
        {1: 2, 2: 4},
        {1: 1, 2: 1},
        name='x',
        room='kitchen',
        changes=changes,
        states=changes % 2 + 1,
        poses=np.arange(64.0).reshape(2, 2, 4, 4),
    )
    write_truth_file(tmp_path / 'x.npz', truth)
    back = read_truth_file(tmp_path / 'x.npz')
    for name in (
        'visit',
        'instance',
        'instance_ids',
        'classes',
        'groups',
        'changes',
        'states',
        'poses',
    ):
        np.testing.assert_array_equal(getattr(back, name), getattr(truth, name))
    assert (back.name, back.room) == ('x', 'kitchen')
    stated = (
        PredictedChange(1, ChangeKind.MOVED, 7, 0.5, 2 * np.eye(4)),
        PredictedChange(1, ChangeKind.REMOVED, 8, 0.25),
    )
    made = scored.prediction([((0, 1), 2, 0.9, 7), ((4, 5), 2, 0.8, 7), ((), 1, 0.1, 8)], stated)
    write_prediction_file(tmp_path / 'p.npz', made)
    found = read_prediction_file(tmp_path / 'p.npz', truth)
    for name in ('points', 'starts', 'classes', 'scores', 'object_ids'):
        np.testing.assert_array_equal(getattr(found, name), getattr(made, name))
    first, second = found.changes
    assert (first.visit, first.kind, first.object_id, first.confidence) == (
        1,
        ChangeKind.MOVED,
        7,
        0.5,
    )
    np.testing.assert_array_equal(first.after_T_before, 2 * np.eye(4))
    assert second.after_T_before is None


def test_nothing_predicted_is_a_valid_file(tmp_path):
    """No mask and no change: empty arrays, which are not the same as no arrays."""
    empty = np.empty(0, int)
    found = prediction_of(
        tmp_path,
        mask_points=empty,
        mask_starts=np.array([0]),
        class_id=empty,
        score=np.empty(0),
        **dict.fromkeys(CHANGES, empty),
    )
    assert len(found) == 0
    assert found.changes == ()


@pytest.mark.parametrize(
    ('changed', 'text'),
    [
        ({'stage': None}, 'stage: expected an array of integers, got only class_id'),
        (
            {'stage': np.repeat([0.0, 1.0], 4)},
            'stage: expected integers of shape .any., got float64',
        ),
        ({'stage': np.repeat([-1, 0], 4)}, 'numbers from 0, got -1'),
        ({'instance': np.zeros(7, int)}, r'instance: expected integers of shape \(8\)'),
        ({'instance': np.full(8, 5)}, r'0 or an id of instance_id, got \[5\]'),
        ({'instance_id': np.array([1, 1])}, 'each id once'),
        ({'instance_id': np.array([0, 2])}, 'positive ids'),
        ({'class_id': np.array([2])}, r'shape \(2\), got int64 \(1,\)'),
        ({'change': np.zeros((2, 1), int)}, 'a column for each of 2 visits, got 1'),
        ({'change': np.full((2, 2), 9)}, r'change: expected values 0..6, got \[9, 9\]'),
        ({'state': np.full((2, 2), -1)}, 'state: expected values 0..3'),
        ({'pose': np.zeros((2, 2, 3, 4))}, r'shape \(2, any, 4, 4\)'),
        ({'pose': np.zeros((2, 1, 4, 4))}, 'pose: expected 2 visits'),
        (
            {'state': np.zeros((2, 3), int), 'change': np.zeros((2, 2), int)},
            'one number of visits',
        ),
    ],
)
def test_faults_of_a_truth(tmp_path, changed, text):
    """The file, the array, what was expected, what came, and where to read more."""
    with pytest.raises(FileFormatError, match=text) as error:
        truth_of(tmp_path, **changed)
    assert 'a.npz' in str(error.value)
    assert 'docs/reference/score_card.md' in str(error.value)


@pytest.mark.parametrize(
    ('changed', 'text'),
    [
        ({'mask_starts': None}, 'mask_starts: expected an array of integers'),
        ({'mask_starts': np.array([0, 4])}, 'rise from 0 to the 6 mask_points'),
        ({'mask_starts': np.array([1, 4, 6])}, 'rise from 0'),
        ({'mask_starts': np.array([0, 5, 4, 6], np.uint8)}, 'rise from 0'),
        ({'mask_starts': np.empty(0, int)}, 'P . 1 numbers'),
        ({'mask_points': np.array([0, 1, 4, 8, 2, 6])}, r'points 0..7 of the truth, got \[0, 8\]'),
        ({'mask_points': np.array([0, 1, 4, 4, 2, 6])}, r'ascending .* a fall at \[3\]'),
        ({'class_id': np.array([2.5, 4.0])}, 'class_id: expected integers'),
        ({'score': np.array([0.9, np.nan])}, 'finite numbers, got NaN'),
        ({'score': np.array([0.9])}, r'score: expected numbers of shape \(2\)'),
        ({'object_id': np.array([0, 1])}, 'object_id: expected positive ids, got 0'),
        ({'object_id': np.array([3, 3])}, 'object 3 twice in visit 0'),
        ({'change_kind': np.array([1])}, 'change_visit: expected an array'),
        (CHANGES | {'change_visit': np.array([2])}, 'visits 0..1'),
        (CHANGES | {'change_kind': np.array([7])}, 'change_kind: expected values 0..6'),
        (CHANGES | {'change_confidence': np.array([1.5])}, 'numbers 0..1'),
        (CHANGES | {'change_motion': np.eye(4)}, r'shape \(1, 4, 4\)'),
    ],
)
def test_faults_of_a_prediction(tmp_path, changed, text):
    """As for the truth."""
    with pytest.raises(FileFormatError, match=text) as error:
        prediction_of(tmp_path, **changed)
    assert 'b.npz' in str(error.value)


def test_other_files(tmp_path):
    """Not there, text, cut off, a single array, pickles: a clear error, never a traceback."""
    with pytest.raises(FileFormatError, match='no.npz'):
        read_truth_file(tmp_path / 'no.npz')
    (tmp_path / 'text.npz').write_text('hello')
    np.save(tmp_path / 'one.npy', np.zeros(3))
    np.savez(tmp_path / 'pickle.npz', **(TRUTH | {'stage': np.array([{}, 1], object)}))
    truth_of(tmp_path)
    whole = (tmp_path / 'a.npz').read_bytes()
    (tmp_path / 'cut.npz').write_bytes(whole[: len(whole) // 2])
    (tmp_path / 'bad.npz').write_bytes(whole.replace(b'\x02\x00\x00\x00', b'\x09\x00\x00\x00'))
    for name in ('text.npz', 'one.npy', 'pickle.npz', 'cut.npz', 'bad.npz'):
        with pytest.raises(FileFormatError, match=name):
            read_truth_file(tmp_path / name)
