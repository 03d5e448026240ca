"""Recipes with changes, and that wrong ones are named with what was perhaps meant."""

from __future__ import annotations

import pytest
from rescene4d_ros.cli.flags import setting
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.training import Recipe


@pytest.fixture
def path(tmp_path):
    file = tmp_path / 'recipe.yaml'
    file.write_text('train: {steps: 7, batch: 3}\naugment:\n')
    return file


def test_changes_replace_settings_of_the_file_and_defaults(path):
    changes = dict(
        map(
            setting,
            (
                'train.steps=9',
                'losses.contrastive_weight=0',
                'augment.yaw=no',
                'model.temporal_mask_pooling=off',
                'model.backbone = tiny',
            ),
        )
    )
    recipe = Recipe.read(path, changes)
    assert (recipe.train.steps, recipe.train.batch) == (9, 3)
    assert recipe.losses.contrastive_weight == 0.0
    assert recipe.augment.yaw is False
    assert (recipe.model.temporal_mask_pooling, recipe.model.backbone) == ('off', 'tiny')
    assert Recipe.read(path).train.steps == 7


@pytest.mark.parametrize(
    ('text', 'told'),
    [
        ('train.step=9', 'did you mean steps'),
        ('losses.contrastiv_weight=0', 'did you mean contrastive_weight'),
        ('loses.contrastive_weight=0', 'did you mean losses'),
        ('steps=9', 'SECTION.KEY'),
        ('train.steps', 'expected NAME=VALUE'),
        ('train.steps=[', 'as in a YAML file'),
        ('train.steps=0', 'at least 1'),
        ('train.normals=off', 'expected str, got bool'),
        ('model.temporal_mask_pooling=on', 'got bool True'),
    ],
)
def test_wrong_changes_are_named(path, text, told):
    with pytest.raises(ConfigError, match=told):
        Recipe.read(path, dict([setting(text)]))


def test_sections_hold_settings(tmp_path):
    (tmp_path / 'r.yaml').write_text('train: [1, 2]')
    with pytest.raises(ConfigError, match='settings in the section train'):
        Recipe.read(tmp_path / 'r.yaml', {'train.steps': 3})
