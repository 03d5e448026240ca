"""Seeds, encoding, mask sharing and attention against loops written from their definitions."""

import math

import pytest
from rescene4d_ros.models import decoder_parts
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.decoder import QueryDecoder
from rescene4d_ros.models.decoder_parts import attend_where, Attention
from rescene4d_ros.models.outputs import LevelFeatures, VisitFeatures
from rescene4d_ros.models.space_time import farthest_points, FourierEncoding, PlaceGroups
import torch
from torch.nn import functional

torch.set_num_threads(1)


def generator(seed=0):
    """Return a seeded source of random numbers."""
    return torch.Generator().manual_seed(seed)


def test_farthest_points_equal_the_greedy_definition():
    points = torch.randn(200, 4, generator=generator())
    taken = [0]
    for _ in range(29):
        nearest = torch.cdist(points.double(), points[taken].double()).amin(1)
        taken.append(int(nearest.argmax()))
    assert farthest_points(points, 30).tolist() == taken


def test_farthest_points_of_few_points_start_over():
    points = torch.tensor([[0.0, 0], [1, 0], [5, 0]])
    assert farthest_points(points, 7).tolist() == [0, 2, 1, 0, 2, 1, 0]


def test_fourier_encoding_equals_its_formula_and_ignores_time_of_one_visit():
    torch.manual_seed(0)
    encoding = FourierEncoding(16, scale=1.0)
    points = torch.cat([torch.randn(5, 3), torch.full((5, 1), 2.0)], dim=1)
    low, high = points.amin(0), points.amax(0)
    rows = encoding(points, low, high)
    for point, row in zip(points, rows):
        u = [float((point[d] - low[d]) / (high[d] - low[d] + 1e-6)) for d in range(4)]
        assert u[3] == 0
        for k in range(8):
            phase = sum(2 * math.pi * u[d] * float(encoding.frequencies[d, k]) for d in range(4))
            assert abs(float(row[k]) - math.sin(phase)) < 1e-4
            assert abs(float(row[k + 8]) - math.cos(phase)) < 1e-4


@pytest.fixture
def places():
    """Return voxels of three visits, one of them empty, that overlap in part."""
    g = generator(1)
    cells = torch.cartesian_prod(*[torch.arange(-2, 3)] * 3)
    picks = [cells[torch.rand(len(cells), generator=g) < share] for share in (0.6, 0.0, 0.4)]
    visit = torch.repeat_interleave(torch.arange(3), torch.tensor([len(p) for p in picks]))
    return torch.cat(picks), visit


def test_sharing_masks_is_the_logical_or_over_the_visits_of_a_place(places):
    coords, visit = places
    groups = PlaceGroups(coords, visit, 3)
    coords = coords[groups.rows]
    attend = torch.rand(7, len(coords), generator=generator(2)) < 0.2
    shared = groups.share_any(attend.clone())
    for column in range(len(coords)):
        same = (coords == coords[column]).all(1)
        assert torch.equal(shared[:, column], attend[:, same].any(1))


def test_sharing_means_averages_over_the_visits_of_a_place(places):
    coords, visit = places
    groups = PlaceGroups(coords, visit, 3)
    coords = coords[groups.rows]
    values = torch.randn(len(coords), 7, generator=generator(2))
    shared = groups.share_mean(values)
    for row in range(len(coords)):
        same = (coords == coords[row]).all(1)
        torch.testing.assert_close(shared[row], values[same].mean(0))


def test_sharing_takes_every_voxel_once_whatever_the_order_of_the_visits(places):
    coords, visit = places
    for own in (visit, 2 - visit):
        rows = PlaceGroups(coords, own, 3).rows
        assert torch.equal(rows.sort().values, torch.arange(len(coords)))


def test_attention_equals_the_explicit_softmax():
    torch.manual_seed(0)
    attention = Attention(12, 3)
    queries, position = torch.randn(4, 12), torch.randn(4, 12)
    memory, place = torch.randn(9, 12), torch.randn(9, 12)
    attend = torch.rand(4, 9) < 0.5
    attend[:, 0] = True
    out = attention(queries, position, *attention.keys_values(memory, place), attend)
    heads = []
    for h in range(3):
        part = slice(4 * h, 4 * h + 4)
        q = attention.query(queries + position)[:, part]
        k, v = attention.key(memory + place)[:, part], attention.value(memory)[:, part]
        logits = (q @ k.T / 2).masked_fill(~attend, -torch.inf)
        heads.append(logits.softmax(1) @ v)
    expected = attention.norm(queries + attention.out(torch.cat(heads, 1)))
    torch.testing.assert_close(out, expected)


@pytest.mark.parametrize('share', [0.01, 0.9])
def test_masks_that_hold_little_and_much_are_attended_to_alike(share, monkeypatch):
    """Groups of queries leave out what none of them sees; the plain definition does not."""
    monkeypatch.setattr(decoder_parts, 'MASK_AT_A_TIME', 1)
    g = generator(4)
    heads, keys, values = (torch.randn(2, n, 4, generator=g) for n in (150, 500, 500))
    attend = torch.rand(150, 500, generator=g) < share
    attend[:, 7] = True
    attend[3] = True
    logits = (heads @ keys.transpose(1, 2) / 2).masked_fill(~attend, -torch.inf)
    with torch.no_grad():
        found = attend_where(heads, keys, values, attend)
    torch.testing.assert_close(found, logits.softmax(-1) @ values)
    torch.testing.assert_close(attend_where(heads, keys, values, attend), found)


def test_tokens_made_in_parts_see_what_the_whole_formula_says():
    """Keys, values and masks of more voxels than are worked out at a time, of two visits."""
    torch.manual_seed(5)
    decoder = QueryDecoder(ModelConfig(hidden_dim=16, n_heads=2, n_queries=5), (8, 8, 8, 8)).eval()
    cells = torch.cartesian_prod(*[torch.arange(15)] * 3)
    picks = [cells[torch.rand(len(cells)) < 0.8] for _ in range(2)]
    features = [
        VisitFeatures(
            tuple(
                LevelFeatures(c, 0.1 * c, torch.randn(len(c), 8), torch.randn(len(c), 16))
                for _ in range(4)
            ),
            torch.zeros(0, 16),
            torch.zeros(0, 3),
        )
        for c in picks
    ]
    points = torch.cat([functional.pad(0.1 * c, (0, 1), value=t) for t, c in enumerate(picks)])
    low, high = points.amin(0), points.amax(0)
    embedding = torch.randn(5, 16)
    with torch.no_grad():
        tokens = decoder._tokens(features, 0, points, low, high)
        level, rows = [v.levels[0] for v in features], tokens.places.rows
        layer = decoder.layers[0]
        keys, values = layer.cross_attention.keys_values(
            layer.squeeze(torch.cat([v.feats for v in level])), decoder.encoding(points, low, high)
        )
        placed = decoder._placed(torch.cat([v.mask_feats for v in level]), points, low, high)
        attend = tokens.attend(embedding)
    torch.testing.assert_close(tokens.keys, keys[:, rows])
    torch.testing.assert_close(tokens.values, values[:, rows])
    torch.testing.assert_close(tokens.mask_feats, placed[rows])
    _, place = torch.unique(torch.cat(picks), dim=0, return_inverse=True)
    # The largest of a place's logits says whether any is at least 0.
    logits = placed @ embedding.T
    largest = torch.full((int(place.max()) + 1, 5), -torch.inf).index_reduce_(
        0, place, logits, 'amax'
    )
    clear = (largest.abs() > 1e-4)[place][rows].T
    assert torch.equal(attend & clear, (largest >= 0)[place][rows].T & clear)
