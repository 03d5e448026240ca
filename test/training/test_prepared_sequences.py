"""Prepared sequences are the sources again, made once and made anew when something changed."""

from __future__ import annotations

from dataclasses import replace
import os

import numpy as np
import pytest
from rescene4d_ros.data.sequences.sequence_file import write_sequence
from rescene4d_ros.errors import ConfigError, FileFormatError
from rescene4d_ros.geometry.superpoints.cut import SuperpointConfig, superpoints
from rescene4d_ros.structures import FLOOR
from rescene4d_ros.training import load_prepared, prepare_folder, Recipe
from rescene4d_ros.training.samples.prepared_sequences import prepare, save_prepared

CONFIG = SuperpointConfig(voxel_size=0.06, min_nodes=4)


def test_round_trip(tmp_path, toy_room):
    sequence, truth = toy_room(0, 3)
    sequence = replace(sequence, scans=(*sequence.scans[:2], replace(sequence.scans[2], rgb=None)))
    save_prepared(tmp_path / 'a.npz', prepare(sequence, truth, CONFIG))
    back = load_prepared(tmp_path / 'a.npz')
    assert back.name == sequence.name
    assert back.classes == {1: 2, 2: 4, 3: 2, 4: 4}
    for visit, scan, true in zip(back.visits, sequence.scans, truth.visits, strict=True):
        assert np.abs(visit.scan.xyz - scan.xyz).max() <= 0.0006
        assert np.einsum('nc,nc->n', visit.scan.normals, scan.normals).min() > 0.999
        assert (visit.scan.rgb is None) == (scan.rgb is None)
        assert scan.rgb is None or np.array_equal(visit.scan.rgb, scan.rgb)
        assert np.array_equal(visit.instance, true.instance)
        assert np.array_equal(
            visit.superpoint, superpoints(scan.xyz, scan.normals, scan.rgb, CONFIG)
        )
    swapped = load_prepared(tmp_path / 'a.npz', [2, 0])
    assert [len(v.scan) for v in swapped.visits] == [len(sequence.scans[t]) for t in (2, 0)]
    assert np.array_equal(swapped.visits[1].scan.xyz, back.visits[0].scan.xyz)


def test_missing_normals_are_estimated(tmp_path, toy_room):
    sequence, truth = toy_room(0, 1)
    scan = replace(sequence.scans[0], normals=None)
    (visit,) = prepare(replace(sequence, scans=(scan,)), truth, CONFIG).visits
    is_floor = (truth.visits[0].semantic == FLOOR) & (np.abs(scan.xyz[:, 2]) < 1e-6)
    assert np.median(np.abs(visit.scan.normals[is_floor, 2])) > 0.99


def test_folder_is_prepared_once_and_again_after_a_change(tmp_path, toy_room):
    sources = []
    for seed in range(3):
        sources.append(tmp_path / f'room-{seed}.npz')
        write_sequence(sources[-1], *toy_room(seed))
    told = []
    paths = prepare_folder(sources, tmp_path / 'p', CONFIG, progress=lambda *n: told.append(n))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]
    stamps = [p.stat().st_mtime_ns for p in paths]
    again = prepare_folder(sources, tmp_path / 'p', CONFIG)
    assert again == paths
    assert [p.stat().st_mtime_ns for p in again] == stamps
    os.utime(sources[1], ns=(1, 1))
    changed = prepare_folder(sources, tmp_path / 'p', CONFIG)
    assert [a == b for a, b in zip(changed, paths)] == [True, False, True]
    assert (
        set(prepare_folder(sources, tmp_path / 'p', replace(CONFIG, min_nodes=9))) & set(changed)
        == set()
    )


def test_damaged_file_is_named(tmp_path, toy_files):
    whole = toy_files[0].read_bytes()
    for content in (whole[: len(whole) // 2], b'', b'not a file'):
        (tmp_path / 'bad.npz').write_bytes(content)
        with pytest.raises(FileFormatError, match='computed again'):
            load_prepared(tmp_path / 'bad.npz')


def test_recipe_names_what_is_wrong(tmp_path):
    assert Recipe.from_mapping({}) == Recipe()
    path = tmp_path / 'r.yaml'
    path.write_text(Recipe.from_mapping({'train': {'steps': 5}}).to_yaml())
    assert Recipe.read(path).train.steps == 5
    for text, message in (
        ('trian: {}', 'trian'),
        ('train: {step: 3}', 'did you mean steps'),
        ('- 1', 'sections'),
        ('train: {steps: 0}', 'at least 1'),
    ):
        path.write_text(text)
        with pytest.raises(ConfigError, match=message):
            Recipe.read(path)
    with pytest.raises(ConfigError, match='config/training'):
        Recipe.read(tmp_path / 'none.yaml')
