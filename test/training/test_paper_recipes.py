"""
First steps of the paper's recipes, on scans in the formats of 3RScan and ScanNet.

The default tests exchange the backbones for small ones and see three sequences per step; the slow
ones change nothing but the number of steps and the sequences per step.
"""

from __future__ import annotations

from dataclasses import asdict
import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
from rescene4d_ros.cli.main import main
from rescene4d_ros.models.backbones.point_transformer import PRESETS
from rescene4d_ros.training import Recipe
import torch

TEST = Path(__file__).parents[1]
CONFIGS = TEST.parent / 'config' / 'training'
RECIPES = ('minkowski', 'sonata', 'concerto')
SHORT = ('train.steps=2', 'train.batch=3', 'train.log_every=1', 'train.batch_part=1')
SMALL = {
    'minkowski': ('backbone=tiny', 'hidden_dim=32', 'ffn_dim=48', 'n_heads=4'),
    'sonata': ('backbone=ptv3-tiny',),
    'concerto': ('backbone=ptv3-tiny',),
}


def module(path: str):
    """Return another test's file, which has the writers of a format."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, TEST / path)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


def write_3rscan(root: Path) -> None:
    """Write two scenes: three scans in which a chair moves and a table leaves, and two."""
    rio = module('data/test_rio.py')
    scenes = []
    for reference, split, n in (('ref', 'train', 3), ('held', 'validation', 2)):
        rio.write_scan(root / reference, np.eye(4), {})
        rescans = []
        for k, alignment in enumerate(rio.ALIGNMENTS[1:n], start=1):
            rio.write_scan(
                root / f'{reference}{k}',
                alignment,
                {rio.CHAIR: rio.LEFT},
                removed=[rio.TABLE] if k == 1 else (),
                seed=k,
            )
            rescans.append(
                {
                    'reference': f'{reference}{k}',
                    'transform': rio.column_major(alignment),
                    'rigid': rio.rigid(alignment, i2=rio.LEFT),
                    'nonrigid': [],
                    'removed': [rio.TABLE] if k == 1 else [],
                }
            )
        scenes.append({'reference': reference, 'type': split, 'ambiguity': [], 'scans': rescans})
    (root / '3RScan.json').write_text(json.dumps(scenes))


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    """Return a folder with both data sets, prepared by the command."""
    folder = tmp_path_factory.mktemp('data')
    (folder / '3rscan').mkdir()
    write_3rscan(folder / '3rscan')
    scannet = folder / 'scannet'
    for name in ('scene0000_00', 'scene0001_00'):
        module('data/test_scannet.py').write_scan(scannet / 'scans' / name, name)
    (scannet / 'scannetv2_train.txt').write_text('scene0000_00\nscene0001_00\n')
    for source, splits in (('3rscan', ('train', 'validation')), ('scannet', ('train',))):
        assert (
            main(
                [
                    'prepare',
                    source,
                    '--root',
                    str(folder / source),
                    '--out',
                    str(folder / 'sequences' / source),
                    '--splits',
                    *splits,
                ]
            )
            == 0
        )
    return folder / 'sequences'


@pytest.fixture
def train(data, tmp_path):
    """Return a function that does the first two steps of a recipe, and returns its log."""

    def run(recipe: str, *more: str) -> list[dict]:
        assert (
            main(
                [
                    'train',
                    str(CONFIGS / f'paper-{recipe}.yaml'),
                    '--data',
                    f'{data}/3rscan/train:1.0',
                    '--data',
                    f'{data}/scannet/train:0.8',
                    '--val',
                    f'{data}/3rscan/validation',
                    '--out',
                    str(tmp_path / 'run'),
                    '--threads',
                    '1',
                    '--workers',
                    '0',
                    *more,
                    *[part for text in SHORT for part in ('--set', text)],
                ]
            )
            == 0
        )
        return [
            json.loads(line)
            for line in (tmp_path / 'run' / 'metrics.jsonl').read_text().splitlines()
        ]

    return run


@pytest.fixture
def encoder(tmp_path):
    """Return a function that converts a checkpoint in the format of Sonata's and Concerto's."""

    def make(preset: str) -> Path:
        shapes = module('models/conftest.py').make_ptv3_shapes(PRESETS[preset])
        generator = torch.Generator().manual_seed(0)
        state = {
            name: 0.02 * torch.randn(shape, generator=generator) for name, shape in shapes.items()
        }
        torch.save({'state_dict': state}, tmp_path / 'encoder.pth')
        assert (
            main(
                [
                    'convert',
                    str(tmp_path / 'encoder.pth'),
                    '--out',
                    str(tmp_path / 'encoder.safetensors'),
                    '--set',
                    f'backbone={preset}',
                ]
            )
            == 0
        )
        return tmp_path / 'encoder.safetensors'

    return make


@pytest.fixture
def mask3d(tmp_path):
    """Return a converted checkpoint in the format of Mask3D's, with the sizes of SMALL."""
    generator = torch.Generator().manual_seed(0)
    state = {
        f'model.{name}': 0.1 * torch.randn(shape, generator=generator).abs()
        for name, shape in module('models/conftest.py').make_mask3d_shapes().items()
    }
    torch.save({'state_dict': state}, tmp_path / 'mask3d.ckpt')
    assert (
        main(
            [
                'convert',
                str(tmp_path / 'mask3d.ckpt'),
                '--out',
                str(tmp_path / 'mask3d.safetensors'),
                '--set',
                'backbone=tiny',
                '--set',
                'n_heads=4',
            ]
        )
        == 0
    )
    return tmp_path / 'mask3d.safetensors'


def check(log: list[dict]) -> None:
    """Check that two steps were done, with losses, and scored at the end."""
    assert [line['step'] for line in log] == [1, 2]
    for line in log:
        assert line['skipped'] == 0
        assert 0 < line['total'] < 1e4
        assert line['total'] == pytest.approx(
            sum(line[name] for name in ('class', 'mask', 'dice', 'contrastive')), rel=1e-5
        )
    # Tiny scans have one superpoint per object; only two visits have pairs to contrast.
    assert max(line['contrastive'] for line in log) > 0
    assert 0 <= log[-1]['t_ap50'] <= 1


@pytest.mark.parametrize('name', RECIPES)
def test_recipes_are_as_published(name):
    recipe = Recipe.read(CONFIGS / f'paper-{name}.yaml')
    # 450 epochs; 1178 windows at 1.0 and ScanNet's 0.8 of them are 2120 draws, 32 per step.
    assert recipe.train.steps == 450 * (2120 // recipe.train.batch)
    assert (recipe.model.n_queries, recipe.model.n_rounds, recipe.model.voxel_size) == (
        100,
        3,
        0.02,
    )
    assert recipe.losses.contrastive_weight > 0
    assert recipe.train.freeze == ('none' if name == 'minkowski' else 'encoder')
    assert recipe.model.temporal_serialization == 'mixed'
    train, augment = recipe.train, recipe.augment
    assert (train.beta, train.beta_at_peak) == (0.95, 0.85)
    assert train.lr * train.lr_end == pytest.approx(2e-9)
    assert (augment.elastic_fine, augment.elastic_coarse) == (0.2, 0.8)
    assert augment.elastic_magnitude == 2.0  # 0.4 and 1.6 m in multiples of these
    assert augment.p_elastic == 0.95


def test_the_recipe_for_one_gpu_is_that_of_the_paper_but_for_memory():
    paper, one = (
        asdict(Recipe.read(CONFIGS / f'paper-concerto{n}.yaml')) for n in ('', '-one-gpu')
    )
    differing = {
        f'{part}.{name}'
        for part, values in paper.items()
        for name in values
        if values[name] != one[part][name]
    }
    assert differing == {'train.batch_part', 'train.kept_variants'}


@pytest.mark.slow
@pytest.mark.parametrize('name', RECIPES)
def test_first_steps_with_a_small_backbone(name, train, encoder, mask3d, capsys):
    start = mask3d if name == 'minkowski' else encoder('ptv3-tiny')
    check(
        train(
            name,
            '--init',
            str(start),
            *[part for text in SMALL[name] for part in ('--set', f'model.{text}')],
        )
    )
    out = capsys.readouterr().out
    assert '5 sequences to learn, 2 held out' in out
    if name == 'minkowski':
        # All is taken but what was never published.
        assert 'from nothing: 2 (decoder.semantic_head.weight, decoder.semantic_head.bias)' in out
    else:
        # All of the encoder is taken, and nothing else.
        published = module('models/conftest.py').make_ptv3_shapes(PRESETS['ptv3-tiny'])
        assert f'{len(published) - 1} tensors taken' in out


@pytest.mark.slow
@pytest.mark.parametrize('name', RECIPES)
def test_first_steps_as_published(name, train, encoder):
    check(train(name, *(() if name == 'minkowski' else ('--init', str(encoder(name))))))
