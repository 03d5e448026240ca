"""Weights as a start: what fits is taken, what does not is an error unless it may differ."""

from __future__ import annotations

from dataclasses import replace

import pytest
from rescene4d_ros.errors import WeightsError
from rescene4d_ros.inference.weights_file import save_weights, WeightsInfo
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.structures import INSTANCE_CLASSES
from rescene4d_ros.training.init_weights import FREQUENCIES, take_weights
import torch

HEADS = {
    f'decoder.{head}.{part}'
    for head in ('class_head', 'semantic_head')
    for part in ('weight', 'bias')
}


@pytest.fixture
def config(tiny_recipe):
    return tiny_recipe.model


@pytest.fixture
def write(tmp_path, config):
    """Return a function that writes weights of a model and returns their path."""

    def make(change=lambda model: None, names=INSTANCE_CLASSES, **told):
        model = ReScene4D(replace(config, n_classes=len(names)))
        change(model)
        save_weights(
            tmp_path / 'w.safetensors', model, WeightsInfo(names, training=told), half=False
        )
        return tmp_path / 'w.safetensors', model.state_dict()

    return make


def test_all_tensors_of_an_equal_model_are_taken(config, write):
    path, tensors = write()
    model = ReScene4D(config)
    found = take_weights(model, path)
    assert set(found.taken) == set(tensors)
    assert found.left_out == found.as_initialized == ()
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, tensors[name]), name


def test_what_does_not_fit_is_named_and_may_be_allowed(config, write):
    path, _ = write()
    model = ReScene4D(replace(config, ffn_dim=24, mask_reach=0.0))
    before = {name: t.clone() for name, t in model.state_dict().items()}
    with pytest.raises(WeightsError, match=r'linear1|feed_forward.*instead of.*--init-allow'):
        take_weights(model, path)
    with pytest.raises(WeightsError, match='decoder.place.* is not in the model'):
        take_weights(model, path, ['*feed_forward*'])
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    found = take_weights(model, path, ['*feed_forward*', 'decoder.place*'])
    assert found.as_initialized
    assert all('feed_forward' in name for name in found.as_initialized)
    assert {n for n in found.left_out if 'feed_forward' not in n} == {
        'decoder.place.frequencies',
        'decoder.place_features.weight',
    }


def test_a_fine_level_is_added_to_weights_without_one(config, write):
    path, tensors = write()
    model = ReScene4D(replace(config, fine_level_channels=4))
    found = take_weights(model, path)
    assert set(found.taken) == set(tensors)
    assert found.as_initialized
    assert all(name.startswith('fine_level.') for name in found.as_initialized)


@pytest.mark.parametrize('names', [INSTANCE_CLASSES[::-1], INSTANCE_CLASSES[:5]])
def test_heads_for_other_classes_do_not_fit(config, write, names):
    path, tensors = write(names=names)
    model = ReScene4D(config)
    with pytest.raises(WeightsError, match='decoder.class_head'):
        take_weights(model, path)
    found = take_weights(model, path, ['decoder.*_head.*'])
    assert HEADS <= set(found.as_initialized)
    assert torch.equal(model.state_dict()['mask_features.weight'], tensors['mask_features.weight'])


def test_tensors_that_hold_nothing_learned_are_not_looked_at(config, write):
    path, tensors = write(
        as_initialized=sorted(
            n for n in ReScene4D(config).state_dict() if n.startswith('decoder.')
        )
    )
    model = ReScene4D(replace(config, ffn_dim=24, n_queries=5))
    found = take_weights(model, path)
    assert {name.split('.')[0] for name in found.taken} == {'backbone', 'mask_features'}
    assert {name.split('.')[0] for name in found.as_initialized} == {'decoder'}


def test_a_model_that_is_blind_to_time_learns_to_see_it(config, write):
    path, tensors = write(lambda m: m.decoder.encoding.frequencies[3].zero_())
    model = ReScene4D(config)
    time = model.state_dict()[FREQUENCIES][3].clone()
    take_weights(model, path)
    frequencies = model.state_dict()[FREQUENCIES]
    assert torch.equal(frequencies[:3], tensors[FREQUENCIES][:3])
    assert torch.equal(frequencies[3], time)
    assert time.any()
