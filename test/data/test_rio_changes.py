"""3RScan's metadata: alignments, what moved between two rescans, look-alikes, windows."""

from __future__ import annotations

from collections import Counter
import json

import numpy as np
import pytest
from rescene4d_ros.config import make
from rescene4d_ros.data.datasets.rio.changes import (
    ambiguity_groups,
    change_codes,
    ChangeCode,
    moved_between,
    Transition,
    transition,
)
from rescene4d_ros.data.datasets.rio.config import RioConfig
from rescene4d_ros.data.datasets.rio.metadata import Motion, read_metadata, RioScan, RioScene
from rescene4d_ros.data.datasets.rio.windows import windows
from rescene4d_ros.errors import ConfigError, FileFormatError
from rescene4d_ros.geometry.se3 import invert, upright

CENTER = np.array([2.0, -1.0, 0.4])


def turned(yaw, shift=(0.0, 0.0, 0.0), center=CENTER):
    """Return the motion that turns an object about its own middle, then shifts it."""
    return upright(0, center) @ upright(yaw, shift) @ upright(0, -np.asarray(center))


def column_major(matrix):
    """Return 16 numbers as 3RScan writes a matrix."""
    return np.asarray(matrix).T.ravel().tolist()


def write(folder, scenes):
    """Write the metadata file."""
    (folder / '3RScan.json').write_text(json.dumps(scenes))
    return folder


def rescan(name='r1', alignment=None, **lists):
    """Return one entry of a rescan."""
    alignment = np.eye(4) if alignment is None else alignment
    return {
        'reference': name,
        'transform': column_major(alignment),
        'rigid': [],
        'nonrigid': [],
        'removed': [],
        **lists,
    }


def test_transforms_are_read_column_by_column_and_chained(tmp_path):
    alignment = upright(0.7, (3.0, -2.0, 0.1))
    moved = turned(0.3, (0.5, 0.0, 0.0))
    entry = {
        'instance_reference': 7,
        'instance_rescan': 7,
        'symmetry': 2,
        'transform': column_major(invert(alignment) @ moved),
    }
    scenes = read_metadata(
        write(
            tmp_path,
            [
                {
                    'reference': 'a',
                    'type': 'validation',
                    'ambiguity': [],
                    'scans': [rescan('b', alignment, rigid=[entry], nonrigid=[4], removed=[9, 2])],
                }
            ],
        )
    )
    assert [s.split for s in scenes] == ['validation']
    reference, again = scenes[0].scans
    assert np.array_equal(reference.reference_T_scan, np.eye(4))
    np.testing.assert_allclose(again.reference_T_scan, alignment, atol=1e-12)
    np.testing.assert_allclose(again.rigid[7].moved, moved, atol=1e-12)
    assert again.rigid[7].symmetry == 2
    assert (again.nonrigid, again.removed) == ({4}, {2, 9})
    assert [s.name for s in scenes[0].scans] == ['scene0000_00', 'scene0000_01']


def test_test_scenes_have_bare_ids(tmp_path):
    scene = read_metadata(
        write(tmp_path, [{'reference': 'a', 'type': 'test', 'scans': [rescan(rigid=[3, 5])]}])
    )[0]
    assert dict(scene.scans[1].rigid) == {3: None, 5: None}
    change = transition(scene.scans[1], scene.scans[1], {})
    assert change.rigid == {3, 5}


@pytest.mark.parametrize(
    ('content', 'text'),
    [
        ('[{"reference": "a", "type": "train", "scans": [', 'truncated'),
        ('{}', 'expected a list'),
        ('[{"reference": "a", "type": "kitchen", "scans": []}]', 'scene 0'),
        ('[{"reference": "a", "type": "train"}]', 'scene 0'),
        (
            '[{"reference": "a", "type": "train", '
            '"scans": [{"reference": "b", "transform": [1, 2]}]}]',
            '16 numbers',
        ),
        (
            json.dumps(
                [
                    {
                        'reference': 'a',
                        'type': 'train',
                        'scans': [rescan(alignment=upright(0, (1500, 0, 0)))],
                    }
                ]
            ),
            'expected metres',
        ),
    ],
)
def test_damaged_metadata_say_where(tmp_path, content, text):
    (tmp_path / '3RScan.json').write_text(content)
    with pytest.raises(FileFormatError, match=text):
        read_metadata(tmp_path)


def test_missing_metadata_name_the_folder(tmp_path):
    with pytest.raises(FileFormatError, match=str(tmp_path)):
        read_metadata(tmp_path)


@pytest.mark.parametrize(
    ('symmetry', 'same', 'other'),
    [(0, 0.0, np.pi), (1, np.pi, np.pi / 2), (2, np.pi / 2, np.pi / 4), (3, 1.234, None)],
)
@pytest.mark.parametrize('official', [False, True])
def test_a_turn_that_cannot_be_seen_is_no_motion(symmetry, same, other, official):
    earlier = Motion(turned(0.4, (1.0, 0.3, 0.0)), symmetry)
    looks_same = Motion(earlier.moved @ turned(same), symmetry)
    assert not moved_between(earlier, looks_same, CENTER, official=official)
    if other is not None:
        looks_turned = Motion(earlier.moved @ turned(other), symmetry)
        angle = 2 * np.sqrt(2) * np.sin(other / 2)  # Frobenius norm of R - I
        seen = angle > np.linalg.norm(turned(0.4, (1.0, 0.3, 0.0), (0, 0, 0))) / 2
        assert moved_between(earlier, looks_turned, CENTER, official=official) == (
            seen if official else True
        )


def test_published_rule_overlooks_short_moves():
    """Half the norm of a 4 x 4 rigid motion is at least 1, so 0.6 m does not count."""
    earlier, later = Motion(turned(0, (0.3, 0, 0))), Motion(turned(0, (0.9, 0, 0)))
    assert moved_between(earlier, later, CENTER)
    assert not moved_between(earlier, later, CENTER, official=True)
    far = Motion(turned(0, (2.5, 0, 0)))
    assert moved_between(earlier, far, CENTER, official=True)
    assert not moved_between(earlier, Motion(turned(0.02, (0.33, 0, 0))), CENTER)


@pytest.mark.parametrize('seed', range(5))
def test_moving_is_mutual_and_a_matter_of_the_object_alone(seed):
    """Going back is a motion as well, and the place of the map's origin does not matter."""
    rng = np.random.default_rng(seed)
    first, second = (
        Motion(turned(rng.uniform(-3, 3), rng.uniform(-0.2, 0.2, 3)), int(rng.integers(4)))
        for _ in range(2)
    )
    second = Motion(second.moved, first.symmetry)
    said = moved_between(first, second, CENTER)
    assert moved_between(second, first, CENTER) == said
    frame = upright(rng.uniform(-3, 3), rng.uniform(-5, 5, 3))
    elsewhere = [Motion(frame @ m.moved @ invert(frame), m.symmetry) for m in (first, second)]
    assert moved_between(*elsewhere, frame[:3, :3] @ CENTER + frame[:3, 3]) == said


def test_changes_between_two_rescans():
    there = Motion(turned(0, (1.5, 0, 0)))
    before = RioScan(
        'b', 'b', np.eye(4), frozenset({1}), frozenset({2, 3}), {10: there, 11: there, 12: there}
    )
    after = RioScan(
        'c',
        'c',
        np.eye(4),
        frozenset({4}),
        frozenset({3, 5}),
        {11: there, 12: Motion(turned(0, (-1.5, 0, 0))), 13: there},
    )
    reference = RioScan('a', 'a', np.eye(4))
    centers = dict.fromkeys(range(20), CENTER)
    change = transition(before, after, centers)
    assert change == Transition(
        frozenset({10, 12, 13}), frozenset({1, 4}), frozenset({2}), frozenset({5})
    )
    assert transition(reference, after, centers) == Transition(
        frozenset({11, 12, 13}), frozenset({4}), frozenset(), frozenset({3, 5})
    )
    assert transition(after, reference, centers) == Transition(
        frozenset({11, 12, 13}), frozenset({4}), frozenset({3, 5}), frozenset()
    )


def test_every_list_of_look_alikes_counts(tmp_path):
    def pair(a, b):
        return {'instance_source': a, 'instance_target': b, 'transform': column_major(np.eye(4))}

    lists = [[pair(5, 9), pair(5, 2), pair(9, 14)], [pair(30, 31)], [pair(31, 40)]]
    scene = read_metadata(
        write(tmp_path, [{'reference': 'a', 'type': 'train', 'scans': [], 'ambiguity': lists}])
    )[0]
    assert ambiguity_groups(scene.look_alikes) == ((2, 5, 9, 14), (30, 31, 40))
    assert ambiguity_groups(scene.look_alikes, official=True) == ((2, 5), (9, 14))
    assert ambiguity_groups(()) == ambiguity_groups((), official=True) == ()


def test_having_look_alikes_comes_first_unless_as_published():
    change = Transition(frozenset({1, 2}), frozenset({2}), frozenset({3}), frozenset({4}))
    groups = ((1, 4), (6, 7))
    code = ChangeCode
    assert change_codes(change, groups) == {
        1: code.AMBIGUOUS,
        4: code.AMBIGUOUS,
        6: code.AMBIGUOUS,
        7: code.AMBIGUOUS,
        2: code.NONRIGID,
        3: code.ADDED,
    }
    assert change_codes(change, groups, official=True) == {
        1: code.RIGID,
        4: code.REMOVED,
        6: code.AMBIGUOUS,
        7: code.AMBIGUOUS,
        2: code.NONRIGID,
        3: code.ADDED,
    }


def toy_scenes(*counts):
    """Return scenes with so many scans."""
    return [
        RioScene(
            i,
            ('train', 'validation', 'test')[i % 3],
            tuple(RioScan(f'{i}-{n}', f'scene{i:04d}_{n:02d}', np.eye(4)) for n in range(count)),
        )
        for i, count in enumerate(counts)
    ]


@pytest.mark.parametrize('visits', [1, 2, 3, 0])
def test_cyclic_windows_use_every_scan_equally(visits):
    scenes = toy_scenes(2, 1, 4, 3, 2, 5)
    found = list(windows(scenes, RioConfig(visits=visits)))
    for scene in scenes:
        n, own = len(scene.scans), [w.numbers for w in found if w.scene is scene]
        length = visits or n
        assert len(own) == (n if n >= length else 0)
        assert len(set(own)) == len(own)
        assert set(Counter(i for w in own for i in w).values()) <= {length}
        follows = {}
        for window in own:
            assert len(set(window)) == length
            for a, b in zip(window, window[1:]):
                assert follows.setdefault(a, b) == b
    assert [w.numbers for w in windows(scenes, RioConfig(visits=visits))] == [
        w.numbers for w in found
    ]


def test_two_scans_give_both_orders():
    found = [w.name for w in windows(toy_scenes(2), RioConfig())]
    assert sorted(found) == ['scene0000_00-scene0000_01', 'scene0000_01-scene0000_00']


def test_one_generator_shuffles_all_splits_in_turn():
    scenes = toy_scenes(6, 6, 6)
    rng = np.random.default_rng(45)
    expected = [rng.permutation(6) for _ in range(3)]
    found = list(windows(scenes, RioConfig()))
    for scene, order in zip(scenes, expected):
        own = [w.numbers for w in found if w.scene is scene]
        assert own == [(order[i], order[(i + 1) % 6]) for i in range(6)]


def test_other_windows():
    scenes = toy_scenes(3, 4)
    every = [w.numbers for w in windows(scenes, RioConfig(windows='exhaustive'))]
    assert len(every) == 3 * 2 + 4 * 3
    single = [w.numbers for w in windows(scenes, RioConfig(windows='single', visits=0))]
    assert single == [(0, 1, 2), (0, 1, 2, 3)]
    with pytest.raises(ConfigError, match='scene0000'):
        list(windows(toy_scenes(12), RioConfig(windows='exhaustive', visits=0)))
    with pytest.raises(ConfigError, match='windows'):
        make(RioConfig, {'windows': 'all'})
