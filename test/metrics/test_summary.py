"""All scores of a method, from sequences to `metrics.json`."""

from dataclasses import replace
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from rescene4d_ros.cli.evaluate.score_command import read_truth_of
from rescene4d_ros.data.readers.truth_files import read_truth
from rescene4d_ros.data.sequences.sequence_file import write_sequence
from rescene4d_ros.geometry.se3 import invert
from rescene4d_ros.metrics.changes.observable_changes import observable_changes
from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.files.score_files import write_prediction_file, write_truth_file
from rescene4d_ros.metrics.intervals import intervals
from rescene4d_ros.metrics.sequences import (
    predicted_sequence,
    PredictedChange,
    states_of,
    true_sequence,
)
from rescene4d_ros.metrics.summary import identity_by_split, judge_all, reduce_sequence, summarize
from rescene4d_ros.structures import Box, ChangeKind, ObjectState, Scan, ScanSequence, WALL
from rescene4d_ros.structures.truth import SequenceTruth, TrueObject, VisitTruth

KEYS = (
    't_map t_map50 t_map25 map map50 map25 t_mrec t_mrec_by_change id_switch_rate '
    'fragmentation_rate merge_rate gap_recovery_recall gap_recovery_accuracy '
    'gap_attempt_coverage false_reactivation_rate change_precision change_recall change_f1 '
    'false_change_rate unobserved_as_removed_rate in_place_as_removed_rate '
    'move_error_cm_median move_error_deg_median move_error_right_angle_share'
)
ENV = {**os.environ, 'OMP_NUM_THREADS': '1'}


@pytest.fixture(scope='module')
def sample(request):
    """Return the scored truth of the sample, and the prediction that repeats it."""
    visits = read_truth(request.config.rootpath / 'data' / 'sample')
    truth = true_sequence(visits, 'sample', 'room')
    stated = []
    for (t, g), kind in observable_changes(truth.changes, truth.states, truth.poses).items():
        seen = np.flatnonzero(truth.states[g, :t] == ObjectState.PRESENT)
        motion = truth.poses[g, t] @ invert(truth.poses[g, seen[-1]]) if len(seen) else None
        stated.append(PredictedChange(t, kind, int(truth.instance_ids[g]) + 100, 1.0, motion))
    labels = [
        np.where(i > 0, i + 100, 0)
        for i in (truth.instance[truth.visit == t] for t in range(truth.n_visits))
    ]
    made = predicted_sequence(
        labels, truth.instance_ids + 100, truth.classes, np.ones(len(truth.classes))
    )
    return truth, replace(made, changes=tuple(stated))


def test_the_truth_scores_full(sample):
    """A prediction that repeats the truth of a made room: every score at its best."""
    scores = summarize([reduce_sequence(*sample, ScoreRules())], ScoreRules())
    assert set(KEYS.split()) <= set(scores)
    for key in (
        't_map',
        't_map25',
        'map',
        'visit_3_map',
        't_mrec',
        'gap_recovery_recall',
        'change_precision',
        'change_recall',
        'change_f1',
    ):
        assert scores[key] == 1.0, key
    for key in (
        'id_switch_rate',
        'fragmentation_rate',
        'merge_rate',
        'false_change_rate',
        'false_reactivation_rate',
        'unobserved_as_removed_rate',
        'in_place_as_removed_rate',
        'change_calibration_error',
        'move_error_right_angle_share',
    ):
        assert scores[key] == 0.0, key
    assert scores['move_error_cm_median'] == pytest.approx(0, abs=1e-6)
    assert scores['move_error_deg_median'] == pytest.approx(0, abs=1e-4)


def test_ids_by_visit_are_punished(sample):
    """New ids at every visit: every transition is a switch, no gap is recovered."""
    truth, made = sample
    labels = [
        np.where(i > 0, i + 100 * t, 0)
        for t, i in enumerate(truth.instance[truth.visit == t] for t in range(truth.n_visits))
    ]
    ids = np.unique(np.concatenate(labels))[1:]
    fresh = predicted_sequence(
        labels,
        ids,
        [truth.classes[truth.instance_ids == i % 100][0] for i in ids],
        np.ones(len(ids)),
    )
    scores = summarize([reduce_sequence(truth, fresh, ScoreRules())], ScoreRules())
    assert scores['id_switch_rate'] == 1.0
    assert scores['fragmentation_rate'] == 1.0
    assert scores['gap_recovery_recall'] == 0.0
    assert scores['gap_attempt_coverage'] == 1.0
    assert scores['merge_rate'] is None  # no id was seen twice
    assert scores['visit_0_map'] == 1.0
    assert scores['change_f1'] is None  # it states no changes
    assert scores['t_mrec_by_change']['static'] == 0.0


def test_parts_and_intervals(scored):
    """Parts by object, gap and length; the interval of rooms holds the pooled rate."""
    rng = np.random.default_rng(3)
    sequences = []
    for k in range(12):
        labels = [np.repeat([1, 2], 5), np.repeat([1, 0], 5), np.repeat([1, 2], 5)]
        truth = scored.truth(labels, {1: 0, 2: 0}, room=f'room {k % 4}')
        back = int(rng.random() < 0.5)
        made = scored.prediction(
            [
                (range(5), 0, 1, 1),
                (range(10, 15), 0, 1, 1),
                (range(20, 25), 0, 1, 1),
                (range(5, 10), 0, 1, 2),
                (range(25, 30), 0, 1, 2 + back),
            ]
        )
        sequences.append(reduce_sequence(truth, made, ScoreRules(min_region=1)))
    rate = summarize(sequences, ScoreRules(min_region=1))['gap_recovery_recall']
    parts = identity_by_split(sequences)
    assert set(parts) == {
        'static',
        'moved',
        'returned',
        'identical',
        'unique',
        'exchanged',
        'gap_1',
        'visits_2',
        'visits_3',
    }
    assert parts['exchanged']['gap_recovery_recall'] == rate  # nothing here looks alike
    for name in ('gap_1', 'returned', 'visits_3'):
        assert parts[name]['gap_recovery_recall'] == rate
    assert parts['gap_1']['opportunities']['gap_recovery_recall'] == 12
    assert parts['static']['gap_recovery_recall'] is None
    assert parts['visits_2']['opportunities']['id_switch_rate'] == 12
    judged = judge_all(sequences, ScoreRules(min_region=1))
    ends = intervals(sequences, judged, np.random.default_rng(0))
    low, high = ends['gap_recovery_recall']
    assert low <= rate <= high
    assert low < high


def test_states_from_points(scored):
    """Without told states: unknown before the first sight, absent after the last."""
    truth = scored.truth([[2], [1], [2]], {1: 0, 2: 0})
    visible = np.array([[False, True], [True, False], [False, True]])
    assert states_of(truth, visible).tolist() == [
        [ObjectState.UNKNOWN, ObjectState.PRESENT, ObjectState.ABSENT],
        [ObjectState.PRESENT, ObjectState.ABSENT, ObjectState.PRESENT],
    ]


def score(*arguments):
    """Run the command in a process of its own."""
    return subprocess.run(
        [sys.executable, '-m', 'rescene4d_ros.cli.main', 'score', *map(str, arguments)],
        capture_output=True,
        text=True,
        env=ENV,
    )


def test_command(sample, tmp_path, scored):
    """Files in two folders, one of them by hand; a table, and JSON without NaN."""
    for folder in ('pred', 'truth'):
        (tmp_path / folder).mkdir()
    write_truth_file(tmp_path / 'truth' / 'sample.npz', sample[0])
    write_prediction_file(tmp_path / 'pred' / 'sample.npz', sample[1])
    np.savez(
        tmp_path / 'truth' / 'hand.npz',
        stage=np.repeat([0, 1], 200),
        instance=np.repeat([1, 0, 1, 0], 100),
        instance_id=np.array([1]),
        class_id=np.array([2]),
    )
    np.savez(
        tmp_path / 'pred' / 'hand.npz',
        mask_points=np.arange(100),
        mask_starts=np.array([0, 100]),
        class_id=np.array([2]),
        score=np.array([0.5]),
    )
    done = score(
        '--pred',
        tmp_path / 'pred',
        '--truth',
        tmp_path / 'truth',
        '--json',
        tmp_path / 'out' / 'metrics.json',
        '--name',
        'mine',
        '--markdown',
        tmp_path / 'out' / 'mine.md',
    )
    assert done.returncode == 0, done.stderr
    assert 'id_switch_rate' in done.stdout
    document = json.loads(
        (tmp_path / 'out' / 'metrics.json').read_text(),
        parse_constant=lambda text: pytest.fail(text),
    )
    mine = document['methods']['mine']
    assert set(KEYS.split()) <= set(mine)
    assert document['sequences'] == 2
    assert document['command'].startswith(f'rescene4d score --pred {tmp_path}')
    assert document['weights_hash'] is None
    assert document['libraries']['numpy'] == np.__version__
    assert {'commit', 'device', 'data_sha256', 'predictions_sha256', 'seconds'} <= set(document)
    low, high = document['intervals']['mine']['t_map']
    assert low <= mine['t_map'] <= high
    assert (
        f'| mine | {mine["t_map"]:.3f} ({low:.3f} .. {high:.3f}) |'
        in (tmp_path / 'out' / 'mine.md').read_text()
    )
    assert 0.9 < mine['t_map'] < 1.0  # the chair by hand misses a visit
    assert mine['change_f1'] == 1.0  # of the sequence that knows changes


def test_sequence_files_are_truth(tmp_path):
    """A prepared file of a public scene: its truth, its scene as the room, void where clutter."""
    xyz = np.random.default_rng(0).random((4, 3)).astype(np.float32)
    box = Box((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    seen = TrueObject(7, 2, ObjectState.PRESENT, True, np.eye(4), box, ambiguity_group=3)
    wall = replace(seen, instance_id=8, class_id=WALL)
    moved = replace(seen, change=ChangeKind.MOVED)
    visits = tuple(
        VisitTruth(np.array(i, np.int32), np.zeros(4, np.int32), o)
        for i, o in (((7, 7, 8, 0), (seen, wall)), ((0, 7, 8, 8), (moved, wall)))
    )
    path = tmp_path / 'scene0012_00-scene0012_03.npz'
    write_sequence(
        path,
        ScanSequence((Scan(xyz, 1), Scan(xyz, 2)), 'x'),
        SequenceTruth(visits),
        notes={'source': '3RScan'},
    )
    truth = read_truth_of(path)
    assert (truth.name, truth.room) == (path.stem, 'scene0012')
    assert truth.instance.tolist() == [7, 7, 0, 0, 0, 7, 0, 0]
    assert (truth.instance_ids.tolist(), truth.classes.tolist(), truth.groups.tolist()) == (
        [7],
        [2],
        [3],
    )
    assert truth.changes.tolist() == [[ChangeKind.UNKNOWN, ChangeKind.MOVED]]
    write_sequence(path, ScanSequence((Scan(xyz, 1), Scan(xyz, 2)), 'x'), SequenceTruth(visits))
    assert read_truth_of(path).room == path.stem


def test_command_refuses(tmp_path, sample):
    """Empty folder, missing prediction, damaged file, value out of bounds: exit 2, one line."""
    for folder in ('pred', 'truth'):
        (tmp_path / folder).mkdir()
    both = ('--pred', tmp_path / 'pred', '--truth', tmp_path / 'truth')
    assert 'found none' in score(*both).stderr
    write_truth_file(tmp_path / 'truth' / 'sample.npz', sample[0])
    missing = score(*both)
    assert missing.returncode == 2
    assert 'got none for sample.npz (1 of 1)' in missing.stderr
    (tmp_path / 'pred' / 'sample.npz').write_bytes(b'PK')
    damaged = score(*both)
    assert damaged.returncode == 2
    assert 'sample.npz' in damaged.stderr
    assert 'Traceback' not in damaged.stderr
    assert score(*both, '--min-iou', 2).returncode == 2
