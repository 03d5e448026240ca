"""Weights by name: where they lie, and which file a setting means."""

from dataclasses import replace
from pathlib import Path
import shutil

import numpy as np
import pytest
from rescene4d_ros.class_lists import class_list
from rescene4d_ros.errors import ConfigError, WeightsError
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.segmenter import Segmenter
from rescene4d_ros.inference.weights_file import default_weights
from rescene4d_ros.inference.weights_folder import find_weights, names, weights_folder
from rescene4d_ros.inference.weights_of_checkpoints import published_classes


@pytest.mark.parametrize(
    ('environment', 'folder'),
    [
        ({'RESCENE4D_WEIGHTS': '/w', 'XDG_DATA_HOME': '/d'}, '/w'),
        ({'XDG_DATA_HOME': '/d'}, '/d/rescene4d/weights'),
        ({}, '~/.local/share/rescene4d/weights'),
    ],
)
def test_the_folder_follows_the_environment(environment, folder):
    assert weights_folder(environment) == Path(folder).expanduser()


def test_a_setting_is_a_name_or_a_path(weights, tmp_path):
    folder = tmp_path / 'kept'
    folder.mkdir()
    shutil.copy(weights, folder / 'office-2.1.safetensors')
    (folder / 'office-2.1.quality.safetensors').touch()
    assert names(folder) == ['office-2.1']
    assert find_weights('office-2.1', folder) == folder / 'office-2.1.safetensors'
    assert find_weights(str(weights), folder) == weights
    assert find_weights('', folder) == default_weights()
    assert find_weights('not/there', folder) == Path('not/there')
    with pytest.raises(WeightsError, match='known names: office-2.1; add a file'):
        find_weights('office', folder)
    with pytest.raises(WeightsError, match='name of letters'):
        find_weights('of fice', folder)


def test_the_segmenter_takes_names(weights, scans, tmp_path, monkeypatch):
    monkeypatch.setenv('RESCENE4D_WEIGHTS', str(tmp_path))
    config = InferenceConfig(weights='toy', device='cpu', torch_threads=1)
    assert Segmenter.load(config).class_names == ('chair', 'table', 'box')


def test_results_come_in_the_classes_asked_for(weights, scans):
    """Chair and table are classes of ScanNet, box is not: it goes to the class for the rest."""
    config = InferenceConfig(
        weights=str(weights), device='cpu', torch_threads=1, score_threshold=0.0
    )
    own = Segmenter.load(config).segment(scans)
    assert len(own)
    names = class_list('scannet18').names
    segmenter = Segmenter.load(replace(config, classes='scannet18'))
    found = segmenter.segment(scans)
    assert segmenter.class_names == names
    expected = np.zeros((len(own), 18), np.float32)
    for k, name in enumerate(('chair', 'table', 'otherfurniture')):
        expected[:, names.index(name)] = own.class_probs[:, k]
    np.testing.assert_array_equal(found.class_probs, expected)
    np.testing.assert_array_equal(found.labels[0], own.labels[0])


def test_any_weights_find_objects_without_classes(weights, scans):
    config = InferenceConfig(weights=str(weights), device='cpu', classes='agnostic')
    found = Segmenter.load(config).segment(scans)
    np.testing.assert_allclose(found.class_probs, np.ones((len(found), 1)), atol=1e-6)


def test_a_list_without_a_class_for_the_rest_is_refused(weights, tmp_path):
    (tmp_path / 'own.txt').write_text('chair\ntable\n')
    config = InferenceConfig(weights=str(weights), classes=str(tmp_path / 'own.txt'))
    with pytest.raises(ConfigError, match='a class for box'):
        Segmenter.load(config)


def test_outputs_of_scannet200_are_in_the_published_order():
    """Chair first: the published labels are moved by two over wall and floor."""
    outputs = published_classes(200)
    assert outputs.names[:3] == ('chair', 'table', 'door')
    assert outputs.names[-3:] == ('mattress', 'unused 198', 'unused 199')
    assert len(set(outputs.names)) == 200
    assert published_classes(13).names == class_list('s3dis').names


def test_another_number_of_outputs_needs_names(tmp_path):
    with pytest.raises(WeightsError, match='published list with 7 classes'):
        published_classes(7)
    with pytest.raises(WeightsError, match='expected 7 classes, one per output, got 13'):
        published_classes(7, 's3dis')
    (tmp_path / 'own.txt').write_text('\n'.join('abcdefg'))
    assert published_classes(7, str(tmp_path / 'own.txt')).names == tuple('abcdefg')
