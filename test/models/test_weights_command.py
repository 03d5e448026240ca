"""`rescene4d weights` on files with the names, shapes and wrappers of each publication."""

import json
import os
from pathlib import Path
import zipfile

import numpy as np
import pytest
from rescene4d_ros.class_lists import class_list
from rescene4d_ros.cli.main import main
from rescene4d_ros.errors import WeightsError
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.segmenter import Segmenter
from rescene4d_ros.inference.selection.quality import quality_file
from rescene4d_ros.inference.weights_file import read_header
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.models.backbones.point_transformer import PRESETS as PTV3_PRESETS
from rescene4d_ros.models.checkpoints import read_checkpoint
from rescene4d_ros.models.checkpoints.hyper_parameters import model_settings, training_config
import torch

SAMPLE = Path(__file__).resolve().parents[2] / 'data' / 'sample'
CONFIG = {
    'general': {'num_targets': 19, 'topk_per_image': 100, 'checkpoint': None},
    'data': {'voxel_size': 0.1, 'num_labels': 20, 'train_dataset': {'dataset_name': 'scannet'}},
    'model': {
        '_target_': 'models.Mask3D',
        'hidden_dim': 32,
        'dim_feedforward': 48,
        'num_queries': 14,
        'num_heads': 4,
        'num_decoders': 3,
        'dropout': 0.0,
        'pre_norm': False,
        'use_level_embed': False,
        'normalize_pos_enc': True,
        'positional_encoding_type': 'fourier',
        'gauss_scale': 1.0,
        'hlevels': [0, 1, 2, 3],
        'non_parametric_queries': True,
        'random_queries': False,
        'use_np_features': False,
        'sample_sizes': [200, 800, 3200, 12800, 51200],
        'max_sample_size': False,
        'shared_decoder': True,
        'num_classes': '${general.num_targets}',
        'train_on_segments': True,
        'scatter_type': 'mean',
        'voxel_size': '${data.voxel_size}',
        'config': {'backbone': {'_target_': 'models.Res16UNet34C', 'out_fpn': True}},
    },
}


def random_tensors(shapes, prefix='model.'):
    """Return tensors under published names."""
    generator = torch.Generator().manual_seed(3)
    state = {}
    for name, shape in shapes.items():
        values = 0.15 * torch.randn(shape, generator=generator)
        state[prefix + name] = values.abs() + 0.5 if name.endswith('running_var') else values
    return state


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """Return the folder of named weights."""
    monkeypatch.setenv('RESCENE4D_WEIGHTS', str(tmp_path / 'kept'))
    return tmp_path / 'kept'


@pytest.fixture
def mask3d(mask3d_shapes, tmp_path):
    """Return a function that writes a Lightning checkpoint of Mask3D."""

    def write(config=CONFIG, name='scannet_val.ckpt'):
        content = {
            'state_dict': random_tensors(mask3d_shapes)
            | {'criterion.empty_weight': torch.ones(19)},
            'hyper_parameters': {'config': config},
            'epoch': 599,
            'global_step': 144600,
            'pytorch-lightning_version': '1.7.2',
            'callbacks': {'ModelCheckpoint': {'best_model_score': torch.tensor(0.55)}},
            'optimizer_states': [{'state': {0: {'step': 3}}, 'param_groups': [{'lr': 1e-4}]}],
            'lr_schedulers': [],
            'loops': {'fit_loop': {'state_dict': {}}},
        }
        torch.save(content, tmp_path / name)
        return str(tmp_path / name)

    return write


def changed(**options):
    """Return the training configuration with other options of the model."""
    return {**CONFIG, 'model': {**CONFIG['model'], **options}}


def test_settings_of_omegaconf_are_read_without_it():
    """The file was written by OmegaConf 2.3 itself, from the settings above."""
    checkpoint = read_checkpoint(Path(__file__).parent / 'golden' / 'lightning_settings.ckpt')
    expected = {**CONFIG, 'model': {**CONFIG['model'], 'num_classes': 19, 'voxel_size': 0.1}}
    assert training_config(checkpoint.hyper_parameters) == expected


def test_a_checkpoint_is_added_shown_listed_and_removed(mask3d, folder, capsys):
    """Queries, heads and voxels come from the training configuration."""
    assert main(['weights', 'add', mask3d(), '--license', 'for research']) == 0
    told = capsys.readouterr().out
    for line in (
        'mask3d: 275 of 278 tensors of the file used',
        'left out: 3 (',
        'as initialized, not in the file: 2',
        'a made-up room of two visits gives 14 queries',
        'compat mask3d, 14 queries',
        'classes: 18 scannet18 (cabinet, bed',
        'voxels: 10 cm',
        'terms: for research',
        'inference.weights:=mask3d-scannet18',
    ):
        assert line in told
    assert [p.name for p in folder.iterdir()] == ['mask3d-scannet18.safetensors']
    assert main(['weights', 'show', 'mask3d-scannet18']) == 0
    assert 'sha256' in capsys.readouterr().out
    assert main(['weights', 'list']) == 0
    assert 'mask3d-scannet18' in capsys.readouterr().out
    assert main(['weights', 'add', mask3d()]) == 2
    assert 'this very file' in capsys.readouterr().err
    assert main(['weights', 'remove', 'mask3d-scannet18']) == 0
    assert list(folder.iterdir()) == []
    assert main(['weights', 'remove', 'mask3d-scannet18']) == 2


@pytest.mark.slow
def test_a_memory_of_three_visits_with_named_weights(mask3d, folder, tmp_path, caplog):
    """Replay with weights by name; other weights later say what a reprocess would do."""
    assert main(['weights', 'add', mask3d(), '--name', 'room']) == 0
    memory, out = tmp_path / 'memory', tmp_path / 'out'
    arguments = ['replay', str(SAMPLE), '--memory', str(memory), '--out', str(out)]
    assert main([*arguments, '--weights', 'room', '--threads', '1']) == 0
    objects = json.loads((out / 'objects.json').read_text())
    assert len(objects['visits']) >= 3
    assert tuple(objects['classes']) == class_list('scannet18').names
    with SceneMemory.open(
        memory, 'map', 'map', objects['classes'], weights_hash='0123456789abcdef'
    ):
        assert f'{len(objects["visits"])} visits were segmented with other weights' in caplog.text
        assert 'A reprocess segments all visits with the weights in use' in caplog.text


def test_an_encoder_is_kept_for_training_only(ptv3_shapes, folder, tmp_path, capsys):
    state = random_tensors(ptv3_shapes(PTV3_PRESETS['ptv3-tiny']), prefix='')
    torch.save({'state_dict': state, 'config': {'in_channels': 9}}, tmp_path / 'sonata.pth')
    settings = ['--set', 'backbone=ptv3-tiny']
    assert main(['weights', 'add', str(tmp_path / 'sonata.pth'), *settings]) == 0
    assert 'only the encoder is trained' in capsys.readouterr().out
    with pytest.raises(WeightsError, match='only the encoder'):
        Segmenter.load(InferenceConfig(weights='sonata'))


def test_own_weights_are_kept_unchanged(folder, tmp_path, mask3d, capsys):
    out = tmp_path / 'own.safetensors'
    assert main(['convert', mask3d(), '--out', str(out)]) == 0
    assert main(['weights', 'add', str(out), '--name', 'mine']) == 0
    assert (folder / 'mine.safetensors').read_bytes() == out.read_bytes()


@pytest.mark.parametrize(
    ('options', 'told'),
    [
        ({'pre_norm': True}, 'pre_norm = True instead of False'),
        ({'scatter_type': 'adaptive'}, 'scatter_type = adaptive instead of one of mean, max, gem'),
        (
            {'config': {'backbone': {'_target_': 'models.PointceptBackboneEncOnly'}}},
            "backbone_decoder: expected 'own' for the backbone 'tiny'",
        ),
        (
            {'config': {'backbone': {'decrease_planes': False}}},
            'decrease_planes = False instead of True',
        ),
        (
            {
                'config': {
                    'backbone': {
                        'parallel_decoder': True,
                        'decoder_serializations': ['standard', 'temporal_overlay'],
                    }
                }
            },
            'parallel_decoder = True with several serializations',
        ),
        (
            {'config': {'backbone': {'decoder_serializations': ['zeros']}}},
            "['zeros'] instead of one of standard, temporal_overlay, standard + temporal_overlay",
        ),
        ({'fancy_attention': 3}, 'fancy_attention, which is unknown'),
        ({'hlevels': [0, 2]}, 'hlevels = [0, 2]'),
        ({'hlevels': 4}, 'hlevels = 4'),
        ({'shared_decoder': False}, 'shared_decoder = False instead of True'),
        ({'non_parametric_queries': False}, 'non_parametric_queries = False instead of True'),
        ({'random_queries': True}, 'random_queries = True instead of False'),
        ({'use_np_features': True}, 'use_np_features = True instead of False'),
        ({'positional_encoding_type': 'sine'}, 'positional_encoding_type = sine'),
        ({'use_changes_loss': True}, 'use_changes_loss = True'),
        (
            {'config': {'backbone': {'feat_merge_type': 'gem'}}},
            'feat_merge_type = gem instead of mean',
        ),
        (
            {'config': {'backbone': {'decoder_serializations': [None, 'standard', 3]}}},
            "[None, 'standard', 3] instead of one of standard",
        ),
        ({'num_queries': 0}, 'n_queries'),
    ],
)
def test_options_that_this_network_lacks_are_named(mask3d, folder, capsys, options, told):
    assert main(['weights', 'add', mask3d(changed(**options))]) == 2
    assert told in capsys.readouterr().err
    assert not any(folder.glob('*'))


def test_an_option_without_effect_can_be_allowed(mask3d, folder, capsys):
    path = mask3d(changed(fancy_logging=True))
    assert main(['weights', 'add', path, '--allow-option', 'fancy_*']) == 0


class Trap:
    """Pickles as a call of os.system."""

    def __init__(self, command):
        self.command = command

    def __reduce__(self):
        return os.system, (self.command,)


def truncated(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def trapped(path):
    content = torch.load(path, weights_only=False)
    torch.save({**content, 'hyper_parameters': Trap(f'touch {path.parent / "ran"}')}, path)


def other_network(path):
    torch.save({'state_dict': {'layer1.0.weight': torch.zeros(3, 3)}}, path)


def widened(path):
    content = torch.load(path, weights_only=False)
    content['state_dict']['model.lin_squeeze.0.1.weight'] = torch.zeros(32, 17)
    torch.save(content, path)


def packed(path):
    """Pack the same archive; one tensor is 64 MiB of zeros in 64 KiB."""
    bomb = path.with_suffix('.zip')
    with zipfile.ZipFile(path) as whole, zipfile.ZipFile(bomb, 'w') as archive:
        largest = max(whole.infolist(), key=lambda entry: entry.file_size).filename
        for entry in whole.infolist():
            content = bytes(2**26) if entry.filename == largest else whole.read(entry)
            archive.writestr(entry.filename, content, zipfile.ZIP_DEFLATED)
    bomb.replace(path)


def with_pickle(data):
    """Return what puts another pickle into the archive."""

    def damage(path):
        other = path.with_suffix('.zip')
        with zipfile.ZipFile(path) as whole, zipfile.ZipFile(other, 'w') as archive:
            for entry in whole.infolist():
                is_pickle = entry.filename.endswith('data.pkl')
                archive.writestr(entry, data if is_pickle else whole.read(entry))
        other.replace(path)

    return damage


def overlapping(path):
    """List one place of the archive many times."""
    with zipfile.ZipFile(path) as archive:
        entry = max(archive.infolist(), key=lambda e: e.file_size)
        names = [entry] * 400 + [e for e in archive.infolist() if e is not entry]
        start = archive.start_dir
    with zipfile.ZipFile(path, 'a') as archive:
        archive.filelist[:] = names
        archive.start_dir = start
        archive._didModify = True


def unfolding(path):
    content = torch.load(path, weights_only=False)
    laughs = 'x'
    for _ in range(15):
        laughs = [laughs] * 10
    torch.save({**content, 'hyper_parameters': {'config': laughs}}, path)


def referring(path):
    content = torch.load(path, weights_only=False)
    config = {f'a{k}': [f'${{a{k + 1}}}'] * 10 for k in range(15)}
    torch.save({**content, 'hyper_parameters': {'config': config}}, path)


def not_finite(path):
    content = torch.load(path, weights_only=False)
    content['state_dict']['model.decoder_norm.weight'][3] = np.nan
    torch.save(content, path)


@pytest.mark.parametrize(
    ('damage', 'told'),
    [
        (truncated, 'expected a complete file of torch.save'),
        (lambda path: path.write_text('<html>Not found</html>'), 'expected'),
        (lambda path: path.write_bytes(b''), 'expected a complete file of torch.save'),
        (with_pickle(b''), 'expected a complete file of torch.save, got EOFError'),
        (with_pickle(b'\x80\x02h\x05.'), 'expected a complete file of torch.save, got KeyError'),
        (with_pickle(b'\x80\x02Q.'), 'expected a complete file of torch.save, got IndexError'),
        (packed, 'which packs nothing'),
        (overlapping, 'which packs nothing'),
        (unfolding, 'expected at most 100000 values'),
        (referring, 'expected at most 100000 values'),
        (lambda path: path.unlink(), 'expected a .pth or .ckpt file, found none'),
        (trapped, 'would run code (posix.system)'),
        (other_network, 'expected tensors of ReScene4D, Mask3D, Sonata or Concerto'),
        (widened, '(32, 17) instead of (32, 16)'),
        (not_finite, 'expected finite results'),
    ],
)
def test_bad_files_are_refused_with_what_was_expected(mask3d, folder, capsys, damage, told):
    path = Path(mask3d())
    damage(path)
    assert main(['weights', 'add', str(path)]) == 2
    error = capsys.readouterr().err
    assert told in error
    assert 'Traceback' not in error
    assert not (path.parent / 'ran').exists()
    assert not any(folder.glob('*'))


def test_a_rescene4d_checkpoint_says_how_it_shares_time(
    rescene4d_shapes, folder, tmp_path, capsys
):
    """Pooling and serialization come from the training configuration; the encoder is its own."""
    shapes = rescene4d_shapes(PTV3_PRESETS['ptv3-tiny'])
    config = changed(
        D=4,
        num_changes=6,
        save_segment_info=False,
        temporal_masking=True,
        use_changes_loss=False,
        scatter_type='max',
        config={'backbone': {'decoder_serializations': ['temporal_overlay', 'standard']}},
    )
    path = tmp_path / 'rescene4d.ckpt'
    torch.save(
        {'state_dict': random_tensors(shapes), 'hyper_parameters': {'config': config}}, path
    )
    assert main(['weights', 'add', str(path), '--set', 'backbone=ptv3-tiny']) == 0
    assert 'compat official, 14 queries' in capsys.readouterr().out
    kept, _ = read_header(folder / 'rescene4d-scannet18.safetensors')
    assert (kept.temporal_mask_pooling, kept.temporal_serialization) == ('mean', 'mixed')
    assert kept.superpoint_pooling == 'max'


def test_null_options_of_published_configurations_are_read_as_published():
    """Null is no pooling over time and pooling by mean; serializations have no such value."""
    path = Path('reference.ckpt')
    found = model_settings(changed(temporal_masking=None, scatter_type=None), path)
    assert found['temporal_mask_pooling'] == 'off'
    assert found['superpoint_pooling'] == 'mean'
    backbone = {'_target_': 'models.PointceptBackbone', 'decoder_serializations': None}
    with pytest.raises(
        WeightsError, match=r'decoder_serializations = None instead of one of standard, '
    ):
        model_settings(changed(config={'backbone': backbone}), path)
    with pytest.raises(WeightsError, match='temporal_masking = max instead of one of True, False'):
        model_settings(changed(temporal_masking='max'), path)


def test_the_quality_of_masks_goes_with_own_weights(folder, tmp_path, mask3d):
    """What is fitted to weights lies beside them, under every name."""
    out = tmp_path / 'own.safetensors'
    assert main(['convert', mask3d(), '--out', str(out)]) == 0
    quality_file(out).write_bytes(b'fitted to these weights')
    assert main(['weights', 'add', str(out)]) == 0
    assert quality_file(folder / 'own.safetensors').read_bytes() == b'fitted to these weights'
    assert main(['weights', 'remove', 'own']) == 0
    assert list(folder.iterdir()) == []
