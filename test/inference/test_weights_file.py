"""Weights files: what is written comes back, and what is wrong is said."""

import json
from pathlib import Path

import pytest
from rescene4d_ros.errors import WeightsError
from rescene4d_ros.geometry.superpoints.cut import SuperpointConfig
from rescene4d_ros.inference.selection.quality import find_quality, quality_file
from rescene4d_ros.inference.weights_file import (
    default_weights,
    load_weights,
    save_weights,
    weights_hash,
    WeightsInfo,
)
from safetensors.torch import load_file, save_file
import torch


def header_of(path):
    """Return the metadata of a safetensors file."""
    raw = Path(path).read_bytes()
    size = int.from_bytes(raw[:8], 'little')
    return json.loads(raw[8 : 8 + size])['__metadata__']


def test_round_trip_is_exact_in_full_precision(model, tmp_path):
    info = WeightsInfo(('a', 'b', 'c'), SuperpointConfig(threshold=0.4), {'seed': 3})
    save_weights(tmp_path / 'w.safetensors', model, info, half=False)
    loaded, loaded_info = load_weights(tmp_path / 'w.safetensors')
    assert loaded_info == info
    assert loaded.config == model.config
    assert not loaded.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, loaded.state_dict()[name]), name


def test_half_precision_rounds_matrices_only_and_is_smaller(model, weights, tmp_path):
    save_weights(tmp_path / 'full', model, WeightsInfo(('a', 'b', 'c')), half=False)
    assert weights.stat().st_size < 0.65 * (tmp_path / 'full').stat().st_size
    loaded = load_weights(weights)[0].state_dict()
    for name, tensor in model.state_dict().items():
        assert loaded[name].dtype == tensor.dtype
        if tensor.ndim < 2 or name.endswith('.frequencies'):
            assert torch.equal(tensor, loaded[name]), name
        else:
            assert torch.equal(tensor.half().float(), loaded[name]), name


def test_hash_names_the_content(model, weights, tmp_path):
    copy = tmp_path / 'copy'
    copy.write_bytes(weights.read_bytes())
    assert weights_hash(copy) == weights_hash(weights)
    assert len(weights_hash(copy)) == 16
    save_weights(copy, model, WeightsInfo(('x', 'y', 'z')))
    assert weights_hash(copy) != weights_hash(weights)


def test_class_names_must_fit_the_network(model, tmp_path):
    with pytest.raises(WeightsError, match='expected 3 class names, got 2'):
        save_weights(tmp_path / 'w', model, WeightsInfo(('a', 'b')))
    assert not list(tmp_path.iterdir())


def test_missing_file(tmp_path):
    with pytest.raises(WeightsError, match='found none'):
        load_weights(tmp_path / 'nothing.safetensors')
    with pytest.raises(WeightsError, match='found none'):
        weights_hash(tmp_path)


@pytest.mark.parametrize('keep', [0, 5, 200, -1])
def test_truncated_file(weights, keep):
    weights.write_bytes(weights.read_bytes()[:keep])
    with pytest.raises(WeightsError, match='damaged'):
        load_weights(weights)


def with_header(path, change):
    """Write a file again with another header, which need not be true."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], 'little')
    header = json.loads(raw[8 : 8 + size])
    data = change(header)
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, 'little') + text + (raw[8 + size :] + (data or b'')))


def largest(header):
    """Return what a header says of the largest tensor."""
    tensors = [entry for name, entry in header.items() if name != '__metadata__']
    return max(tensors, key=lambda entry: entry['data_offsets'][1] - entry['data_offsets'][0])


@pytest.mark.parametrize(
    'lie',
    [
        lambda path: path.write_bytes((2**62).to_bytes(8, 'little') + path.read_bytes()[8:]),
        lambda path: path.write_bytes((2**20).to_bytes(8, 'little') + path.read_bytes()[8:]),
        lambda path: with_header(path, lambda h: largest(h).update(shape=[2**40, 2**20])),
        lambda path: with_header(path, lambda h: largest(h).update(dtype='F64')),
        lambda path: with_header(path, lambda h: largest(h).update(dtype='object')),
        lambda path: with_header(
            path, lambda h: largest(h).update(data_offsets=[0, 2**50], shape=[2**48])
        ),
        lambda path: with_header(path, lambda h: largest(h).update(data_offsets=[-8, 0])),
        lambda path: with_header(path, lambda h: h.update(spare=largest(h))),
        lambda path: with_header(path, lambda h: b'more than the header says'),
        lambda path: with_header(path, lambda h: h.update(__metadata__={'format': 3})),
    ],
)
def test_header_that_lies_is_refused(weights, lie):
    """Lengths, shapes, types and places that the content does not have."""
    lie(weights)
    with pytest.raises(WeightsError, match=f'{weights}.*damaged'):
        load_weights(weights)


def test_pickle_is_refused_without_running_it(tmp_path, model):
    torch.save(model.state_dict(), tmp_path / 'w.pth')
    with pytest.raises(WeightsError, match='damaged or other content'):
        load_weights(tmp_path / 'w.pth')


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'format': 'other'}, 'another origin|other.*origin'),
        ({'schema': '99'}, 'expected schema 1'),
        ({'model': '{"backbone": "huge"}'}, 'expected one of'),
        ({'model': '{"width": 3}'}, 'unknown setting'),
        ({'model': 'not json'}, 'header this version can read'),
        ({'class_names': '["a"]'}, 'class names'),
    ],
)
def test_header_that_does_not_fit(weights, change, message):
    save_file(load_file(weights), weights, header_of(weights) | change)
    with pytest.raises(WeightsError, match=message):
        load_weights(weights)


def test_tensors_that_do_not_fit_are_named(weights):
    tensors, header = load_file(weights), header_of(weights)
    tensors['decoder.spare'] = torch.zeros(2)
    del tensors['decoder.norm.bias']
    tensors['mask_features.bias'] = torch.zeros(5)
    save_file(tensors, weights, header)
    with pytest.raises(WeightsError) as error:
        load_weights(weights)
    for part in (
        'missing decoder.norm.bias',
        'unexpected decoder.spare',
        r'mask_features.bias (5,) instead of (32,)',
    ):
        assert part in str(error.value)


def test_shipped_quality_is_fitted_to_the_shipped_weights(caplog):
    path = default_weights()
    assert find_quality(path, weights_hash(path)) is not None
    assert not caplog.records
    assert quality_file(path).stat().st_size < 600_000
