"""One step: parts add up to the batch, bf16 learns what float32 does, frozen weights stay."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.data.sequences.mixing import MixedSampler
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.sparse.voxels import Voxels
from rescene4d_ros.training.samples.augmented_samples import TrainingSamples
from rescene4d_ros.training.step import Learner
import torch
from torch.nn.functional import pad

CPU = torch.device('cpu')


@pytest.fixture
def transformer_recipe(tiny_recipe):
    """Return a recipe with a small Point Transformer."""
    model = replace(
        tiny_recipe.model,
        backbone='ptv3-tiny',
        features='sonata',
        in_channels=9,
        train_tokens=0,
        temporal_serialization='merged',
    )
    return replace(tiny_recipe, model=model)


def with_train(recipe, **changes):
    return replace(recipe, train=replace(recipe.train, **changes))


def samples_of(recipe, files, mixing=None) -> TrainingSamples:
    return TrainingSamples(files, recipe.train, recipe.model, recipe.augment, mixing=mixing)


def gradients_after_a_step(recipe, batch):
    """Return the losses and the clipped gradients of the first step."""
    learner = Learner(recipe, CPU)
    losses = learner.step(batch, 0)
    return losses, {
        n: p.grad.clone() for n, p in learner.model.named_parameters() if p.grad is not None
    }


def test_parts_of_a_batch_add_up_to_it(toy_files, tiny_recipe):
    """One sequence three times: batch statistics are then those of each part."""
    model = replace(tiny_recipe.model, train_tokens=0)
    recipe = replace(tiny_recipe, model=model)
    batch = [samples_of(recipe, toy_files).sample(0)] * 3
    whole, expected = gradients_after_a_step(recipe, batch)
    for size in (1, 2):
        losses, found = gradients_after_a_step(with_train(recipe, batch_part=size), batch)
        assert losses == pytest.approx(whole, rel=1e-4)
        assert set(found) == set(expected)
        for name, gradient in expected.items():
            torch.testing.assert_close(found[name], gradient, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize('backbone', ['tiny', 'ptv3-tiny'])
def test_bf16_gives_about_the_same_gradients(toy_files, tiny_recipe, transformer_recipe, backbone):
    recipe = tiny_recipe if backbone == 'tiny' else transformer_recipe
    recipe = replace(
        recipe,
        model=replace(
            recipe.model,
            train_tokens=0,
            query_content='zeros',
            seed_objectness=0.0,
            fine_level_channels=4 if backbone == 'tiny' else 0,
        ),
    )
    batch = samples_of(recipe, toy_files)[0]
    exact, expected = gradients_after_a_step(recipe, batch)
    coarse, found = gradients_after_a_step(with_train(recipe, precision='bf16'), batch)
    assert coarse['total'] != exact['total']
    assert coarse['total'] == pytest.approx(exact['total'], rel=0.05)
    assert all(g.dtype == torch.float32 for g in found.values())
    one, two = (torch.cat([g[n].flatten() for n in expected]) for g in (expected, found))
    assert torch.nn.functional.cosine_similarity(one, two, dim=0) > 0.8


def test_frozen_encoder_stays_and_the_rest_learns(toy_files, transformer_recipe):
    recipe = with_train(transformer_recipe, freeze='encoder')
    learner = Learner(recipe, CPU)
    before = {n: t.clone() for n, t in learner.model.state_dict().items()}
    for step in range(3):
        learner.step(samples_of(recipe, toy_files)[step], step)
    is_frozen = {n: n.startswith(('backbone.enc.', 'backbone.embedding.')) for n in before}
    assert sum(is_frozen.values()) > 10
    for name, tensor in learner.model.state_dict().items():
        if is_frozen[name]:
            assert torch.equal(tensor, before[name]), name
    assert not torch.equal(
        learner.model.state_dict()['mask_features.weight'], before['mask_features.weight']
    )
    assert not learner.model.backbone.enc.training
    assert learner.model.backbone.dec.training


def test_features_of_a_frozen_encoder_are_kept(toy_files, transformer_recipe, tmp_path):
    """Computed in the first step; another run reads them."""
    recipe = with_train(transformer_recipe, freeze='encoder', kept_variants=2)
    batch = samples_of(recipe, toy_files)[0]
    visits = [visit for sample in batch for visit in sample.visits]
    first, second = (Learner(recipe, CPU, tmp_path / 'features') for _ in range(2))
    assert first.step(batch, 0)
    kept = second.features.encode(visits)[0].begun
    assert (first.features.encoded, first.features.read) == (len(visits), 0)
    assert (second.features.encoded, second.features.read) == (0, len(visits))
    voxels = Voxels.build(pad(visits[0].coords, (1, 0)))
    second.model.eval()
    with torch.no_grad():
        expected = second.model.backbone.encode(voxels.sort(visits[0].feats), voxels)
    for found, level in zip((*kept.skips, *kept.levels), expected, strict=True):
        torch.testing.assert_close(found, level, rtol=1e-3, atol=1e-3)


def test_kept_variants_are_as_many_as_asked_for(toy_files, transformer_recipe):
    recipe = with_train(transformer_recipe, kept_variants=2)
    samples = samples_of(recipe, toy_files[:1])
    seen = {samples.sample(k).visits[0].feats.numpy().tobytes() for k in range(8)}
    assert len(seen) == 2


@pytest.mark.parametrize(
    'changes', [{'freeze': 'none'}, {'freeze': 'encoder', 'serialization': 'off'}]
)
def test_features_that_are_learned_are_not_kept(transformer_recipe, tmp_path, changes):
    serialization = changes.pop('serialization', 'mixed')
    model = replace(transformer_recipe.model, temporal_serialization=serialization)
    recipe = with_train(replace(transformer_recipe, model=model), kept_variants=2, **changes)
    with pytest.raises(ConfigError, match='kept_variants: expected'):
        Learner(recipe, CPU, tmp_path)


def test_a_frozen_backbone_stays_with_its_running_means(toy_files, tiny_recipe):
    recipe = with_train(tiny_recipe, freeze='backbone')
    learner = Learner(recipe, CPU)
    before = {n: t.clone() for n, t in learner.model.state_dict().items()}
    learner.step(samples_of(recipe, toy_files)[0], 0)
    after = learner.model.state_dict()
    assert any(n.endswith('running_mean') for n in after)
    changed = {n.split('.')[0] for n in after if not torch.equal(after[n], before[n])}
    assert 'backbone' not in changed
    assert {'mask_features', 'decoder'} <= changed


def test_a_backbone_without_encoder_cannot_be_frozen(tiny_recipe):
    with pytest.raises(ConfigError, match='set freeze to none'):
        Learner(with_train(tiny_recipe, freeze='encoder'), CPU)


def test_several_data_sets_are_drawn_by_weight(toy_files, tiny_recipe):
    samples = samples_of(tiny_recipe, toy_files, MixedSampler([1, 2], [1.0, 3.0], seed=4))
    place = {path: k for k, path in enumerate(samples.files)}
    drawn = np.array([place[samples._draw_file(n)] for n in range(2000)])
    share = np.bincount(drawn, minlength=3) / len(drawn)
    np.testing.assert_allclose(share, [1 / 4, 3 / 8, 3 / 8], atol=0.04)
    assert drawn[7] == place[samples._draw_file(7)]


def test_the_fine_level_learns_at_its_own_rate(toy_files, tiny_recipe):
    """The first steps of AdamW are as long as the learning rate."""
    model = replace(tiny_recipe.model, fine_level_channels=4)
    train = replace(tiny_recipe.train, weight_decay=0.0, fine_level_rate=5.0)
    recipe = replace(tiny_recipe, model=model, train=train)
    learner = Learner(recipe, CPU)
    before = {k: v.clone() for k, v in learner.model.state_dict().items()}
    learner.step(samples_of(recipe, toy_files)[0], 0)
    after, lr = learner.model.state_dict(), learner.rate(0)
    for name, rate in (('fine_level.to_masks.weight', 5), ('mask_features.weight', 1)):
        moved = float((after[name] - before[name]).abs().max())
        assert moved == pytest.approx(rate * lr, rel=0.01), name
