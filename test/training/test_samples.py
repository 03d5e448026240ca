"""Samples are pure functions of seed and number; targets are majorities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from rescene4d_ros.losses import IGNORED_CLASS
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.inputs import make_visit_input
from rescene4d_ros.structures import FLOOR, Scan, STRUCTURE_CLASSES, UNLABELED, WALL
from rescene4d_ros.structures.truth import VisitTruth
from rescene4d_ros.training.samples.augmented_samples import (
    instance_counts,
    make_targets,
    TrainingSamples,
)
from rescene4d_ros.training.samples.background import background_of, UNKNOWN
from rescene4d_ros.training.samples.prepared_sequences import load_prepared
import torch
from torch.utils.data import DataLoader


def make_samples(files, recipe, **changes) -> TrainingSamples:
    return TrainingSamples(files, replace(recipe.train, **changes), recipe.model, recipe.augment)


def assert_same(a, b):
    assert len(a.visits) == len(b.visits)
    for v, w in zip(a.visits, b.visits):
        assert torch.equal(v.coords, w.coords)
        assert torch.equal(v.feats, w.feats)
        assert torch.equal(v.superpoint, w.superpoint)
    assert torch.equal(a.targets.masks, b.targets.masks)
    assert torch.equal(a.targets.classes, b.targets.classes)


def test_any_worker_gives_the_same_samples_from_any_step_on(toy_files, tiny_recipe):
    samples = make_samples(toy_files, tiny_recipe, steps=4)
    loader = DataLoader(
        samples, batch_size=None, sampler=range(2, 4), num_workers=1, collate_fn=list
    )
    for step, batch in zip((2, 3), loader, strict=True):
        for a, b in zip(batch, samples[step], strict=True):
            assert_same(a, b)


def test_processes_share_a_step_and_an_epoch_sees_every_sequence(toy_files, tiny_recipe):
    alone = make_samples(toy_files, tiny_recipe, batch=2)
    halves = [
        TrainingSamples(
            toy_files,
            replace(tiny_recipe.train, batch=1),
            tiny_recipe.model,
            tiny_recipe.augment,
            rank,
            2,
        )
        for rank in (0, 1)
    ]
    for a, b in zip(alone[1], (halves[0][1][0], halves[1][1][0]), strict=True):
        assert_same(a, b)
    for epoch in range(3):
        order = np.random.default_rng([tiny_recipe.train.seed, 0, epoch]).permutation(3)
        assert sorted(order) == [0, 1, 2]


def test_visits_are_drawn_in_any_number_and_order(toy_files, tiny_recipe):
    samples = make_samples(toy_files[1:2], tiny_recipe, max_visits=3, p_single=0.3)
    drawn = [tuple(samples._draw_visits(3, np.random.default_rng(n))) for n in range(200)]
    assert {len(d) for d in drawn} == {1, 2, 3}
    assert all(len(set(d)) == len(d) for d in drawn)
    assert {d for d in drawn if len(d) == 2} == {
        (a, b) for a in range(3) for b in range(3) if a != b
    }


def test_targets_are_the_majority_of_each_superpoint(toy_files):
    config = ModelConfig(voxel_size=0.1)
    sequence = load_prepared(toy_files[0])
    inputs = [make_visit_input(v.scan, v.superpoint, config) for v in sequence.visits]
    instances = [v.instance for v in sequence.visits]
    classes = {**sequence.classes, 3: -1, 4: WALL}
    targets = make_targets(inputs, instances, classes, 18)
    assert targets.classes.tolist() == [2, 4, IGNORED_CLASS]
    start = 0
    for visit, instance in zip(inputs, instances):
        for s in range(visit.n_superpoints):
            own = instance[visit.point_superpoint == s]
            own = np.where(own == 4, 0, own)  # walls are no objects
            winner = np.bincount(own, minlength=4).argmax() if len(own) else 0
            expected = [bool(winner == i) for i in (1, 2, 3)]
            assert targets.masks[:, start + s].tolist() == expected
            assert targets.n_points[start + s] == len(own)
        start += visit.n_superpoints
    second = slice(inputs[0].n_superpoints, None)
    assert not targets.masks[1, second].any()  # box 2 has left
    assert targets.masks[0, second].any()


def test_a_room_without_objects_is_a_sample(toy_files):
    config = ModelConfig(voxel_size=0.1)
    visit = load_prepared(toy_files[0]).visits[0]
    made = make_visit_input(visit.scan, visit.superpoint, config)
    nothing = np.zeros(len(visit.scan), dtype=np.int32)
    targets = make_targets([made], [nothing], {}, 18)
    assert targets.masks.shape == (0, made.n_superpoints)
    counts = instance_counts(made, nothing, np.zeros(0, dtype=np.int64))
    assert counts.shape == (made.n_superpoints, 1)
    assert counts.sum() == len(visit.scan)


def test_structure_and_unknown_are_told_of_superpoints_outside_instances(toy_files):
    config = ModelConfig(voxel_size=0.1)
    visit = load_prepared(toy_files[0]).visits[0]
    made = make_visit_input(visit.scan, visit.superpoint, config)
    background = visit.background.copy()
    on_floor = np.flatnonzero(background == STRUCTURE_CLASSES.index('floor') + 1)
    lost = made.point_superpoint[on_floor[0]]
    background[(made.point_superpoint == lost) & (background > 0)] = UNKNOWN
    targets = make_targets([made], [visit.instance], {}, 18, [background])
    for s in range(made.n_superpoints):
        own = background[made.point_superpoint == s]
        is_outside = not targets.masks[:, s].any()
        assert targets.unknown[s] == (is_outside and 2 * (own == UNKNOWN).sum() >= len(own))
        for r in range(len(STRUCTURE_CLASSES)):
            told = is_outside and 2 * (own == r + 1).sum() >= len(own)
            assert targets.structure[r, s] == told
    assert targets.unknown[lost]
    assert targets.structure[STRUCTURE_CLASSES.index('floor')].any()


def test_a_level_wall_overhead_is_a_ceiling():
    xyz = np.float32([[0, 0, 0], [0, 0, 1], [0, 0, 2.5], [1, 0, 2.5], [1, 0, 0.1], [1, 0, 0.2]])
    normals = np.float32([[0, 0, 1], [1, 0, 0], [0, 0, -1], [1, 0, 0], [0, 0, 1], [0, 0, 1]])
    semantic = np.int32([FLOOR, WALL, WALL, WALL, 3, UNLABELED])
    truth = VisitTruth(np.int32([0, 0, 0, 0, 7, 0]), semantic)
    background = background_of(Scan(xyz, 0, normals=normals), truth)
    names = [STRUCTURE_CLASSES[k - 1] if k > 0 else int(k) for k in background]
    assert names == ['floor', 'wall', 'ceiling', 'wall', 0, UNKNOWN]
    nothing_named = replace(truth, semantic=np.where(semantic == 3, 3, UNLABELED))
    assert not background_of(Scan(xyz, 0, normals=normals), nothing_named).any()
