"""Batches that do not fit into memory: smaller ones, other ones, and an end that says why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
import subprocess
import sys

import numpy as np
import pytest
from rescene4d_ros.training.oom_recovery import crop, is_out_of_memory, smaller_parts
from rescene4d_ros.training.samples.augmented_samples import TrainingSamples
import torch

# Limits the address space of this process, so that large allocations fail for real.
STARVE = """
import resource, sys
from pathlib import Path
import numpy as np
import torch
from rescene4d_ros.errors import RescenError
from rescene4d_ros.losses import Targets
from rescene4d_ros.models.inputs import VisitInput
from rescene4d_ros.training import Recipe
from rescene4d_ros.training.samples.augmented_samples import Sample
from rescene4d_ros.training.step import Learner

torch.set_num_threads(1)
recipe, mib = Recipe.read(sys.argv[1]), int(sys.argv[2])
learner = Learner(recipe, torch.device('cpu'))


def plate(side):
    '''Return a plate of side^2 voxels, each a superpoint, all of one object.'''
    n = side * side
    coords = torch.stack([torch.arange(n) // side, torch.arange(n) % side,
                          torch.zeros(n, dtype=torch.int64)], dim=1)
    visit = VisitInput(coords, torch.ones(n, 11), 0.2 * coords.float(), torch.arange(n), n,
                       np.arange(n, dtype=np.int32))
    return Sample((visit,), Targets(torch.ones(1, n, dtype=torch.bool), torch.tensor([2])))


def size():
    return int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()


small, large = plate(8), plate(int(sys.argv[3]))
assert learner.step([small, small], 0)['total'] > 0
limit = size() + mib * 2 ** 20
resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
try:
    for step in range(1, 4):
        losses = learner.step([large, small], step)
        print(step, bool(losses), learner.skipped, learner.memory.made_smaller)
except RescenError as error:
    print('ended:', error)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)
assert learner.step([small, small], 9)['total'] > 0
print('went on')
"""


def starve(recipe: Path, mib: int, side: int) -> str:
    """Train in a process of its own with so much more memory than it has; return its output."""
    done = subprocess.run(
        [sys.executable, '-c', STARVE, str(recipe), str(mib), str(side)],
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def hungry(tmp_path, tiny_recipe):
    """Return a recipe whose contrastive loss compares all superpoints at once."""
    path = tmp_path / 'recipe.yaml'
    path.write_text(
        tiny_recipe.to_yaml()
        .replace('contrastive_chunk: 1024', 'contrastive_chunk: 1000000')
        .replace('max_out_of_memory: 5', 'max_out_of_memory: 3')
    )
    return path


@pytest.mark.slow
def test_what_does_not_fit_is_learned_in_part(hungry):
    # 2304 superpoints take about 170 MB for their similarities, half of them a quarter of it.
    told = starve(hungry, 120, 48).splitlines()
    assert told == ['1 True 0 1', '2 True 0 2', '3 True 0 3', 'went on']


@pytest.mark.slow
def test_a_run_that_never_fits_ends_with_what_to_lower(hungry):
    told = starve(hungry, 30, 80).splitlines()
    assert told[:2] == ['1 False 1 1', '2 False 2 2']
    assert '3 steps in a row up to step 3' in told[2]
    assert 'augment.max_points' in told[2]
    assert told[3] == 'went on'


def test_a_real_refusal_of_the_allocator_is_known():
    with pytest.raises(RuntimeError) as refused:
        torch.empty(2**55)
    assert is_out_of_memory(refused.value)
    with pytest.raises(MemoryError) as refused:
        np.empty(2**52)
    assert is_out_of_memory(refused.value)
    with pytest.raises(RuntimeError) as other:
        torch.zeros(2) @ torch.zeros(3)
    assert not is_out_of_memory(other.value)


@pytest.fixture
def sample(toy_files, tiny_recipe):
    """Return a sample of two visits, with fine voxels."""
    model = replace(tiny_recipe.model, fine_level_channels=4)
    samples = TrainingSamples(toy_files, tiny_recipe.train, model, tiny_recipe.augment)
    return next(s for s in map(samples.sample, range(20)) if len(s.visits) == 2)


@pytest.mark.parametrize('share', [0.0, 0.5, 1.0])
def test_a_crop_keeps_whole_superpoints_around_one_place(sample, share):
    left = crop(sample, share, np.random.default_rng(3))
    n_voxels = [sum(len(v.coords) for v in s.visits) for s in (sample, left)]
    assert share * n_voxels[0] <= n_voxels[1] <= n_voxels[0]
    kept, places, start = [], [], 0
    for before, after in zip(sample.visits, left.visits, strict=True):
        rows = {tuple(c): k for k, c in enumerate(before.coords.tolist())}
        row = torch.tensor([rows[tuple(c)] for c in after.coords.tolist()], dtype=torch.int64)
        assert torch.equal(before.feats[row], after.feats)
        assert torch.equal(before.xyz[row], after.xyz)
        old = before.superpoint[row]
        number = dict(zip(after.superpoint.tolist(), old.tolist()))
        assert [number[s] for s in after.superpoint.tolist()] == old.tolist()
        assert sorted(number) == list(range(after.n_superpoints))
        own = [number[s] for s in range(after.n_superpoints)]
        assert torch.isin(before.superpoint, torch.tensor(own)).sum() == len(row)
        counts = np.bincount(before.point_superpoint, minlength=before.n_superpoints)
        assert np.array_equal(
            np.bincount(after.point_superpoint, minlength=after.n_superpoints), counts[own]
        )
        kept += [start + s for s in own]
        places += [
            before.xyz[before.superpoint == s, :2].mean(0) for s in range(before.n_superpoints)
        ]
        start += before.n_superpoints
    masks = sample.targets.masks[:, kept]
    assert torch.equal(left.targets.masks, masks[masks.any(1)])
    assert torch.equal(left.targets.classes, sample.targets.classes[masks.any(1)])
    places = torch.stack(places)
    outside = [s for s in range(start) if s not in kept]
    if outside:
        # Some superpoint is the middle: all that stay are nearer to it than all that go.
        distance = torch.cdist(places[kept], places)
        assert (distance[:, kept].max(1).values <= distance[:, outside].min(1).values + 1e-5).any()


@pytest.mark.parametrize('share', [0.0, 0.5, 1.0])
def test_a_crop_keeps_the_fine_voxels_of_its_voxels(sample, share):
    left = crop(sample, share, np.random.default_rng(3))
    for before, after in zip(sample.visits, left.visits, strict=True):
        kept = {tuple(c) for c in after.coords.tolist()}
        rows = [tuple(c) in kept for c in (before.fine.coords >> 1).tolist()]
        inside = before.fine.coords[torch.tensor(rows)]
        assert torch.equal(torch.unique(after.fine.coords, dim=0), torch.unique(inside, dim=0))
        feats = {tuple(c): f for c, f in zip(before.fine.coords.tolist(), before.fine.feats)}
        for cell, row, superpoint in zip(
            after.fine.coords.tolist(), after.fine.feats, after.fine.superpoint
        ):
            assert torch.equal(feats[tuple(cell)], row)
            assert 0 <= superpoint < after.n_superpoints


def test_sequences_part_before_they_are_cut(sample):
    rng = np.random.default_rng(0)
    parts = smaller_parts([[sample, sample], [sample]], rng)
    assert parts == [[sample], [sample], [sample]]
    smaller = smaller_parts(parts, rng)
    sizes = [sum(len(v.coords) for v in part[0].visits) for part in smaller]
    assert max(sizes) < sum(len(v.coords) for v in sample.visits)
