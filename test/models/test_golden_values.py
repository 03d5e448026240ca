"""Published networks: their outputs, computed once from the published code, and ours."""

from pathlib import Path

import numpy as np
import pytest
from rescene4d_ros.models.backbones.point_transformer import PointTransformer, PRESETS
from rescene4d_ros.models.checkpoints import convert, load_pretrained
from rescene4d_ros.models.checkpoints.reading import Checkpoint
from rescene4d_ros.models.decoder_parts import published_seeds
from rescene4d_ros.models.inputs import IN_CHANNELS, VisitInput
from rescene4d_ros.sparse.voxels import Voxels
import torch
from torch.nn import functional

torch.set_num_threads(1)
GOLDEN = Path(__file__).parent / 'golden'
ENOUGH = 1e-5  # relative L2 error
HEADS, QUERIES, CLASSES = 4, 12, 19


def golden_state(shapes, seed=17):
    """Return the tensors that the published network had; the legacy generator never changes."""
    rng, state = np.random.RandomState(seed), {}
    for name in sorted(shapes):
        shape = shapes[name]
        if name == 'scatter_fn.p':
            state[name] = torch.full(shape, 2.5)
            continue
        if name.endswith('num_batches_tracked'):
            state[name] = torch.tensor(7)
            continue
        if name.endswith('running_var') or (len(shape) == 1 and name.endswith('weight')):
            values = 0.5 + rng.random_sample(shape)
        else:
            fan = np.prod(shape[:2] if name.endswith('.kernel') else shape[1:])
            values = rng.standard_normal(shape) * max(2.5 * fan, 16) ** -0.5
            if name.endswith('gauss_B'):
                values = rng.standard_normal(shape)
        state[name] = torch.from_numpy(values.astype(np.float32))
    return state


def relative_error(ours, published):
    """Return the relative L2 error of each prediction set."""
    gap = (ours - published).flatten(1).norm(dim=1)
    return (gap / published.flatten(1).norm(dim=1)).max().item()


@pytest.fixture
def mask3d(mask3d_shapes, tmp_path):
    """Return the golden values and the converted network that must have them."""
    golden = np.load(GOLDEN / 'mask3d.npz')
    state = {f'model.{n}': t for n, t in golden_state(mask3d_shapes).items()}
    path = tmp_path / 'mask3d.ckpt'
    torch.save({'state_dict': state}, path)
    settings = {'backbone': 'tiny', 'n_heads': HEADS, 'n_queries': QUERIES, 'voxel_size': 0.15}
    return golden, convert(path, settings).model


def golden_visit(golden):
    """Return the network's input of the golden cloud."""
    rgb = torch.from_numpy(golden['rgb']).float()
    feats = torch.zeros(len(rgb), IN_CHANNELS)
    feats[:, :3], feats[:, 3] = rgb / 127.5 - 1, 1
    superpoint = golden['superpoint'].astype(np.int64)
    return VisitInput(
        coords=torch.from_numpy(golden['cells'].astype(np.int64)),
        feats=feats,
        xyz=torch.from_numpy(golden['xyz']),
        superpoint=torch.from_numpy(superpoint),
        n_superpoints=int(superpoint.max()) + 1,
        point_superpoint=superpoint.astype(np.int32),
    )


def test_mask3d_computes_the_published_numbers(mask3d):
    """Seeds, classes and masks of all 13 prediction sets, cells on both sides of zero."""
    golden, model = mask3d
    assert model.config.compat == 'mask3d'
    visit = golden_visit(golden)
    with torch.no_grad():
        features = model.encode([visit])
        output = model.decode(features)
        voxels, _ = published_seeds(features, (0,), model.config)
    assert torch.equal(visit.xyz[voxels], torch.from_numpy(golden['seeds']))
    assert output.class_logits.shape == (13, QUERIES, CLASSES)
    for ours, name in ((output.class_logits, 'class_logits'), (output.mask_logits, 'mask_logits')):
        assert relative_error(ours, torch.from_numpy(golden[name])) <= ENOUGH, name


def test_mask3d_does_not_depend_on_the_time_of_its_one_visit(mask3d):
    golden, model = mask3d
    visit = golden_visit(golden)
    with torch.no_grad():
        features = model.encode([visit])
        now, later = (model.decode(features, times) for times in ((0.0,), (5.0,)))
    torch.testing.assert_close(now.mask_logits, later.mask_logits, rtol=1e-5, atol=1e-6)


def test_mask3d_shares_its_queries_over_visits(mask3d):
    """A second visit that repeats the first gets the same masks, and seeds at no other places."""
    golden, model = mask3d
    visit = golden_visit(golden)
    with torch.no_grad():
        features = model.encode([visit, visit])
        voxels, _ = published_seeds(features, (0, 1), model.config)
        output = model.decode(features)
    first, second = output.mask_logits[-1].split(visit.n_superpoints)
    torch.testing.assert_close(first, second, rtol=1e-4, atol=1e-5)
    places = voxels % len(visit.coords)
    assert len(set(places.tolist())) == QUERIES


def test_point_transformer_computes_the_published_numbers(ptv3_shapes):
    """Encoder and decoder of Sonata and Concerto, all five levels, orders not shuffled."""
    golden, cloud = (np.load(GOLDEN / f'{n}.npz') for n in ('point_transformer', 'mask3d'))
    preset = PRESETS['ptv3-tiny']
    state = golden_state(ptv3_shapes(preset, decoder=True))
    backbone = PointTransformer(9, preset).eval()
    load_pretrained(backbone, Checkpoint(Path('published.pth'), state, {}))
    cells = torch.from_numpy(cloud['cells'].astype(np.int64))
    voxels = Voxels.build(functional.pad(cells - cells.amin(0), (1, 0)))
    xyz = cloud['xyz'] - cloud['xyz'].mean(0)
    feats = np.hstack([xyz, cloud['rgb'] / 255, golden['normals']]).astype(np.float32)
    with torch.no_grad():
        levels = backbone(voxels.sort(torch.from_numpy(feats)), voxels)
    for level in reversed(range(5)):  # finest first
        places = {tuple(c): row for row, c in enumerate(voxels.coords[:, 1:].tolist())}
        rows = [places[tuple(c)] for c in golden[f'cells_{level}'].tolist()]
        published = torch.from_numpy(golden[f'feats_{level}'])
        assert relative_error(levels[level][rows][None], published[None]) <= ENOUGH, level
        voxels = voxels.down()


# Golden values of ReScene4D: the options of each network, the seed of its tensors.
NETWORKS = {
    'mixed_mean': ({'temporal_serialization': 'mixed'}, 18),
    'merged_gem': ({'temporal_serialization': 'merged', 'temporal_mask_pooling': 'mean'}, 18),
    'off_max': ({'temporal_serialization': 'off', 'superpoint_pooling': 'max'}, 18),
    'encoder_mean': ({'temporal_serialization': 'off'}, 19),
}


def golden_visits(golden):
    """Return the two visits of the golden sequence; the grid of each begins at its corner."""
    visits = []
    for part in np.split(np.arange(len(golden['cells'])), golden['n_voxels'].cumsum()[:-1]):
        superpoint = golden['superpoint'][part].astype(np.int64)
        visits.append(
            VisitInput(
                coords=torch.from_numpy(golden['cells'][part].astype(np.int64)),
                feats=torch.from_numpy(golden['feats'][part]),
                xyz=torch.from_numpy(golden['feats'][part, :3]),
                superpoint=torch.from_numpy(superpoint),
                n_superpoints=int(superpoint.max()) + 1,
                point_superpoint=superpoint.astype(np.int32),
            )
        )
    return visits


@pytest.mark.parametrize('name', NETWORKS)
def test_rescene4d_computes_the_published_numbers(name, rescene4d_shapes, tmp_path):
    """Classes and masks of two visits, all parts of the network together."""
    golden, (options, seed) = np.load(GOLDEN / 'rescene4d.npz'), NETWORKS[name]
    shapes = rescene4d_shapes(PRESETS['ptv3-tiny'], decoder=name != 'encoder_mean')
    if name == 'merged_gem':
        shapes['scatter_fn.p'] = (1,)
    state = {f'model.{n}': t for n, t in golden_state(shapes, seed).items()}
    path = tmp_path / 'rescene4d.ckpt'
    torch.save({'state_dict': state}, path)
    settings = {'backbone': 'ptv3-tiny', 'n_heads': HEADS, 'n_queries': QUERIES, **options}
    model = convert(path, {**settings, 'voxel_size': 0.15}).model
    assert model.config.compat == 'official'
    with torch.no_grad():
        output = model(golden_visits(golden))
    for ours, kind in ((output.class_logits, 'classes'), (output.mask_logits, 'masks')):
        published = torch.from_numpy(golden[f'{name}_{kind}'])
        assert relative_error(ours[-len(published) :], published) <= ENOUGH, kind
    seen = published.gt(0).float().mean(1)  # each query attends to a part of the room
    assert ((seen > 0) & (seen < 1)).float().mean() > 0.7
