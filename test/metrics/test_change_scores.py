"""Changes by hand, the observer's truth against an observer, and the counts against a twin."""

import numpy as np
import pytest
from rescene4d_ros.geometry.se3 import invert, upright
from rescene4d_ros.metrics.changes.calibration import calibration_bins, calibration_error
from rescene4d_ros.metrics.changes.change_scores import (
    count_changes,
    f_score,
    move_error,
    pool,
    right_angle_share,
    SCORED_KINDS,
)
from rescene4d_ros.metrics.changes.observable_changes import is_away, observable_changes
from rescene4d_ros.metrics.identity.identity_scores import IssuedIds
from rescene4d_ros.metrics.sequences import PredictedChange
from rescene4d_ros.structures import ChangeKind, ObjectState
from scipy.spatial.transform import Rotation

UNKNOWN, ADDED, REMOVED, MOVED, DEFORMED, REAPPEARED = (
    ChangeKind.UNKNOWN,
    ChangeKind.ADDED,
    ChangeKind.REMOVED,
    ChangeKind.MOVED,
    ChangeKind.DEFORMED,
    ChangeKind.REAPPEARED,
)
PRESENT, ABSENT, HIDDEN = ObjectState.PRESENT, ObjectState.ABSENT, ObjectState.NOT_OBSERVED


def observed(changes, states, poses=None):
    """Return what shows of one object, as {visit: kind}."""
    shown = observable_changes(np.array([changes]), np.array([states]), poses)
    return {t: kind for (t, _), kind in shown.items()}


@pytest.mark.parametrize(
    ('changes', 'states', 'shown'),
    [
        ([0, MOVED, 0], [PRESENT, PRESENT, PRESENT], {1: MOVED}),
        ([0, MOVED, 0], [PRESENT, HIDDEN, PRESENT], {2: MOVED}),
        ([0, REMOVED, 0], [PRESENT, HIDDEN, ABSENT], {2: REMOVED}),
        ([0, REMOVED, 0], [PRESENT, HIDDEN, HIDDEN], {}),
        ([0, REMOVED, REAPPEARED], [PRESENT, ABSENT, PRESENT], {1: REMOVED, 2: REAPPEARED}),
        ([0, REMOVED, REAPPEARED], [PRESENT, HIDDEN, PRESENT], {2: MOVED}),
        ([0, ADDED, REMOVED], [0, HIDDEN, ABSENT], {}),
        ([0, ADDED, MOVED], [0, HIDDEN, PRESENT], {2: ADDED}),
        ([0, MOVED, 0], [HIDDEN, HIDDEN, PRESENT], {}),
        ([0, MOVED, REMOVED], [PRESENT, HIDDEN, ABSENT], {2: REMOVED}),
    ],
)
def test_changes_show_where_they_are_seen(changes, states, shown):
    """What happens unseen adds up until someone looks."""
    assert observed(changes, states) == shown


def test_back_at_its_place_is_no_change():
    """Moved away and back, both unseen: the poses of both sightings are equal."""
    poses = np.stack([upright(0, (0, 0, 0)), upright(0, (1, 0, 0)), upright(0, (0, 0, 0))])[None]
    assert observed([0, MOVED, MOVED], [PRESENT, HIDDEN, PRESENT], poses) == {}
    assert observed([0, MOVED, MOVED], [PRESENT, PRESENT, PRESENT], poses) == {1: MOVED, 2: MOVED}


@pytest.mark.parametrize('seed', range(100))
def test_observable_changes_equal_those_of_an_observer(seed):
    """Play a random life of an object to an observer who compares with what it saw last."""
    rng = np.random.default_rng(seed)
    place, fresh = (0, 0) if rng.random() < 0.6 else None, 1
    initial = place is not None
    changes, states, expected = [], [], {}
    seen_at, is_gone, has_left, was_empty = None, False, False, False
    for t in range(7):
        kind = UNKNOWN
        if t and rng.random() < 0.5:
            if place is None:
                kind, place, fresh = REAPPEARED if has_left or initial else ADDED, fresh, fresh + 1
            elif rng.random() < 0.5:
                kind, place, has_left = REMOVED, None, True
            else:
                kind, place, fresh = MOVED, fresh, fresh + 1
        looked = rng.random() < 0.6
        exists = initial or has_left or place is not None
        state = (
            (HIDDEN if not looked else PRESENT if place is not None else ABSENT)
            if exists
            else ObjectState.UNKNOWN
        )
        changes.append(kind)
        states.append(state)
        if state == PRESENT:
            if seen_at is None:
                if not initial or was_empty:
                    expected[t] = ADDED
            elif is_gone:
                expected[t] = REAPPEARED
            elif seen_at != place:
                expected[t] = MOVED
            seen_at, is_gone = place, False
        elif state == ABSENT and seen_at is not None and not is_gone:
            expected[t], is_gone = REMOVED, True
        was_empty |= state == ABSENT
    assert observed(changes, states) == expected


def test_away():
    """From the removal up to the visit that brings it back."""
    assert is_away(np.array([[0, REMOVED, 0, REAPPEARED, REMOVED]])).tolist() == [
        [False, True, True, False, True]
    ]


LABELS = [[1] * 4 + [2] * 4 + [3] * 4] * 3
POSES = np.tile(np.eye(4), (3, 3, 1, 1))
POSES[0, 1:] = upright(np.pi / 2, (1.0, 0.0, 0.0))
CHANGES = np.zeros((3, 3), int)
CHANGES[0, 1], CHANGES[1, 2] = MOVED, REMOVED
STATES = np.full((3, 3), PRESENT)
STATES[1, 2], STATES[2, 1] = ABSENT, HIDDEN
ISSUED = np.array([[11, 12, 13], [11, 12, 0], [11, 0, 13]])
IDS = IssuedIds(ISSUED > 0, ISSUED, {11: 0, 12: 0, 13: 0})


def counts(scored, changes):
    """Return the counts of a chair that moves, a table that leaves, and a hidden lamp."""
    truth = scored.truth(LABELS, {1: 0, 2: 1, 3: 2}, changes=CHANGES, poses=POSES, states=STATES)
    return count_changes(truth, scored.prediction([], tuple(changes)), IDS, STATES)


def test_perfect(scored):
    """Both changes with the right motion: all right, no error."""
    found = counts(
        scored,
        [PredictedChange(1, MOVED, 11, 1.0, POSES[0, 1]), PredictedChange(2, REMOVED, 12, 1.0)],
    )
    np.testing.assert_array_equal(found.right, found.stated)
    np.testing.assert_array_equal(found.right, found.true)
    assert found.false_changes.tolist() == [0, 2]  # chair in visit 2, table in visit 1
    assert found.unobserved_as_removed.tolist() == [0, 1]
    np.testing.assert_allclose(found.move_errors, [[0, 0]], atol=1e-9)
    assert calibration_error(found.confidences) == 0.0


def test_confusion(scored):
    """Right ones on the diagonal; a wrong kind, an invention and a miss each in their cell."""
    perfect = counts(scored, [PredictedChange(1, MOVED, 11), PredictedChange(2, REMOVED, 12)])
    moved, removed, nothing = SCORED_KINDS.index(MOVED), SCORED_KINDS.index(REMOVED), -1
    expected = np.zeros((6, 6), int)
    expected[moved, moved] = expected[removed, removed] = 1
    np.testing.assert_array_equal(perfect.confusion, expected)
    wrong = counts(
        scored,
        [
            PredictedChange(1, REMOVED, 11),
            PredictedChange(1, ADDED, 99),
            PredictedChange(1, MOVED, 13),
        ],
    )
    expected = np.zeros((6, 6), int)
    expected[moved, removed] = expected[removed, nothing] = 1
    expected[nothing, SCORED_KINDS.index(ADDED)] = expected[nothing, moved] = 1
    np.testing.assert_array_equal(wrong.confusion, expected)
    both = pool([perfect, wrong])
    np.testing.assert_array_equal(both.confusion.sum(axis=0)[:5], both.stated)


def test_errors_of_every_kind(scored):
    """Hidden called removed, still called moved, an unknown object, a change said twice."""
    found = counts(
        scored,
        [
            PredictedChange(1, REMOVED, 13, 0.9),
            PredictedChange(1, MOVED, 12, 0.6),
            PredictedChange(2, ADDED, 99, 0.5),
            PredictedChange(1, MOVED, 11, 0.8),
            PredictedChange(1, MOVED, 11, 0.7),
            PredictedChange(2, ChangeKind.MERGED, 11, 1.0),
        ],
    )
    by_kind = dict(
        zip(SCORED_KINDS, zip(found.right.tolist(), found.stated.tolist(), found.true.tolist()))
    )
    assert by_kind == {
        ADDED: (0, 1, 0),
        REMOVED: (0, 1, 1),
        MOVED: (1, 3, 1),
        DEFORMED: (0, 0, 0),
        REAPPEARED: (0, 0, 0),
    }
    assert found.false_changes.tolist() == [1, 2]
    assert found.unobserved_as_removed.tolist() == [1, 1]
    right = dict(found.confidences.tolist())
    assert right == {0.9: 0, 0.6: 0, 0.5: 0, 0.8: 1, 0.7: 0}  # the surer of the two counts
    assert f_score(1, 5, 2) == pytest.approx(2 * 0.2 * 0.5 / 0.7)
    assert np.isnan(f_score(0, 0, 0))


def test_change_in_the_wrong_visit_is_wrong(scored):
    """The move of visit 1 reported in visit 2: stated and wrong."""
    found = counts(scored, [PredictedChange(2, MOVED, 11)])
    assert (found.right.sum(), found.stated.sum(), found.true.sum()) == (0, 1, 2)
    assert found.false_changes.tolist() == [1, 2]


def test_pooled_counts_add_up(scored):
    """Two sequences together."""
    one = counts(scored, [PredictedChange(1, MOVED, 11, 1.0, POSES[0, 1])])
    both = pool([one, one])
    assert both.right.tolist() == (2 * one.right).tolist()
    assert both.move_errors.shape == (2, 2)
    assert both.confidences.shape == (2, 2)


@pytest.mark.parametrize('seed', range(20))
def test_move_error_is_what_was_added(scored, seed):
    """A motion off by a known turn about the object and a known shift reads as these."""
    rng = np.random.default_rng(seed)
    before, after = np.eye(4), np.eye(4)
    before[:3, :3], before[:3, 3] = Rotation.random(rng=rng).as_matrix(), rng.normal(0, 5, 3)
    after[:3, :3], after[:3, 3] = Rotation.random(rng=rng).as_matrix(), rng.normal(0, 5, 3)
    angle, shift = rng.uniform(0, np.pi), rng.normal(0, 0.1, 3)
    axis = rng.normal(size=3)
    turn = np.eye(4)
    turn[:3, :3] = Rotation.from_rotvec(angle * axis / np.linalg.norm(axis)).as_matrix()
    about = np.eye(4)
    about[:3, 3] = after[:3, 3]
    error = np.eye(4)
    error[:3, 3] = shift
    motion = error @ about @ turn @ invert(about) @ after @ invert(before)
    truth = scored.truth([[1], [1]], {1: 0}, poses=np.stack([before, after])[None])
    states = np.full((1, 2), PRESENT)
    found = move_error(truth, states, PredictedChange(1, MOVED, 5, 1.0, motion), 0)
    assert found == pytest.approx((100 * np.linalg.norm(shift), np.degrees(angle)))


def test_quarter_and_half_turns_are_told_from_other_errors():
    """Of six turns three are within 10 degrees of a quarter or a half turn."""
    turns = np.array([0.5, 45.0, 79.0, 82.0, 99.0, 171.0])
    assert right_angle_share(np.c_[np.ones(6), turns]) == pytest.approx(0.5)
    assert np.isnan(right_angle_share(np.zeros((0, 2))))


def test_no_pose_no_error(scored):
    """Where the truth knows no poses a motion cannot be judged."""
    states = np.full((1, 2), PRESENT)
    change = PredictedChange(1, MOVED, 5, 1.0, np.eye(4))
    assert move_error(scored.truth([[1], [1]], {1: 0}), states, change, 0) is None
    unknown = scored.truth([[1], [1]], {1: 0}, poses=np.full((1, 2, 4, 4), np.nan))
    assert move_error(unknown, states, change, 0) is None


def test_calibration_by_hand():
    """Two bins: 0.9 with half right is off by 0.4, 0.2 with none right by 0.2."""
    entries = np.array([[0.9, 1], [0.9, 0], [0.2, 0], [0.2, 0]])
    assert calibration_error(entries) == pytest.approx(0.3)
    assert calibration_error(np.array([[1.0, 1]])) == 0.0
    assert np.isnan(calibration_error(np.empty((0, 2))))


def test_bars_of_the_reliability_diagram():
    """A confidence on an edge is in the upper bin, 1 in the last; an empty bin has no share."""
    entries = np.array([[0.0, 0], [0.3, 1], [0.39, 0], [0.7, 1], [1.0, 1], [0.95, 0]])
    bars = calibration_bins(entries)
    assert [b.count for b in bars] == [1, 0, 0, 2, 0, 0, 0, 1, 0, 2]
    assert (bars[3].low, bars[3].high) == (0.3, 0.4)
    assert (bars[3].confidence, bars[3].right) == pytest.approx((0.345, 0.5))
    assert (bars[9].confidence, bars[9].right) == pytest.approx((0.975, 0.5))
    assert np.isnan([bars[1].confidence, bars[1].right]).all()
    assert [b.count for b in calibration_bins(np.empty((0, 2)), 4)] == [0] * 4


@pytest.mark.parametrize('seed', range(10))
def test_said_as_often_right_as_sure(seed):
    """Statements that are right as often as their confidence says: an error near 0."""
    rng = np.random.default_rng(seed)
    sure = rng.random(20_000)
    right = rng.random(len(sure)) < sure
    assert calibration_error(np.column_stack([sure, right])) < 0.02
    bold = calibration_error(np.column_stack([np.minimum(sure + 0.3, 1), right]))
    assert bold == pytest.approx(np.mean(np.minimum(sure + 0.3, 1) - sure), abs=0.02)


def slow_calibration(entries, n_bins):
    """Compute the error bin by bin."""
    total = 0.0
    for b in range(n_bins):
        mine = [
            (c, r)
            for c, r in entries
            if b / n_bins <= c < (b + 1) / n_bins or (b == n_bins - 1 and c == 1)
        ]
        if mine:
            total += abs(np.mean([c for c, _ in mine]) - np.mean([r for _, r in mine])) * len(mine)
    return total / len(entries)


def slow_change_counts(changes, states, issued, stated):
    """Count the changes by going through the true ones, and trying all stated ones for each."""
    true = observable_changes(changes, states)

    def owner(change):
        visits = range(change.visit - (change.kind == REMOVED), -1, -1)
        return next(
            (g for t in visits for g in range(len(changes)) if issued[t][g] == change.object_id),
            None,
        )

    right = [
        k
        for (t, g), kind in true.items()
        if any((c.visit, c.kind, owner(c)) == (t, kind, g) for c in stated)
        for k in [SCORED_KINDS.index(kind)]
    ]
    false = unchanged = lost = unseen = lost_in_place = in_place = 0
    for g, row in enumerate(states):
        inside = True
        for t in range(len(row)):
            inside = (inside or changes[g][t] in (ADDED, REAPPEARED)) and changes[g][t] != REMOVED
            mine = [c for c in stated if c.visit == t and owner(c) == g]
            if t and row[t] == row[t - 1] == PRESENT and not changes[g][t] and (t, g) not in true:
                unchanged += 1
                false += bool(mine)
            if row[t] == HIDDEN and inside and PRESENT in list(row[:t]):
                unseen += 1
                said = any(c.kind == REMOVED for c in mine)
                lost += said
                seen = max(u for u in range(t) if row[u] == PRESENT)
                stands = not set(changes[g][seen + 1 : t + 1]) - {0, DEFORMED}
                in_place += stands
                lost_in_place += said and stands
    return right, [false, unchanged], [lost, unseen], [lost_in_place, in_place]


@pytest.mark.parametrize('seed', range(60))
def test_counts_equal_the_slow_twin(scored, seed):
    """Random changes, states, matches and statements."""
    rng = np.random.default_rng(seed)
    n_true, n_visits = int(rng.integers(1, 5)), int(rng.integers(2, 6))
    changes = rng.choice([0, 0, ADDED, REMOVED, MOVED, DEFORMED, REAPPEARED], (n_true, n_visits))
    changes[:, 0] = 0
    states = rng.choice([PRESENT, PRESENT, ABSENT, HIDDEN], (n_true, n_visits))
    issued = np.stack([rng.permutation(6)[:n_true] for _ in range(n_visits)])
    stated = tuple(
        PredictedChange(
            int(rng.integers(1, n_visits)),
            ChangeKind(int(rng.integers(1, 6))),
            int(rng.integers(1, 6)),
            float(rng.random()),
        )
        for _ in range(int(rng.integers(0, 15)))
    )
    truth = scored.truth(
        [[1]] * n_visits, {i + 1: 0 for i in range(n_true)}, changes=changes, states=states
    )
    found = count_changes(
        truth, scored.prediction([], stated), IssuedIds(issued > 0, issued, {}), states
    )
    right, false, lost, in_place = slow_change_counts(changes, states, issued.tolist(), stated)
    assert found.right.tolist() == [right.count(k) for k in range(len(SCORED_KINDS))]
    assert found.false_changes.tolist() == false
    assert found.unobserved_as_removed.tolist() == lost
    assert found.in_place_as_removed.tolist() == in_place
    assert found.confidences[:, 1].sum() == len(right)
    if stated:
        bars = calibration_bins(found.confidences, 1 + seed % 12)
        assert sum(b.count for b in bars) == len(stated)
        assert calibration_error(found.confidences, len(bars)) == pytest.approx(
            slow_calibration(found.confidences.tolist(), len(bars))
        )
