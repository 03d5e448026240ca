"""Mixing of data sets: shares, epochs, and a run that is interrupted."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from rescene4d_ros.data.sequences.mixing import MixedSampler
from rescene4d_ros.errors import ConfigError
from torch.utils.data import ConcatDataset, DataLoader


def test_draws_per_epoch_are_the_published_number():
    """1178 scans of 3RScan at 1.0, ScanNet at 0.8: 2120 draws."""
    assert len(MixedSampler((1178, 1201), (1.0, 0.8))) == 2120


def test_shares_follow_the_weights_and_items_are_even():
    sampler = MixedSampler((20, 5), (1.0, 0.8), seed=3)
    draws = np.array([sampler.draw(i) for i in range(9000)])
    share = (draws[:, 0] == 0).mean()
    assert abs(share - 1 / 1.8) < 4 * np.sqrt(0.25 / 9000)
    for dataset, n in ((0, 20), (1, 5)):
        counts = np.bincount(draws[draws[:, 0] == dataset, 1], minlength=n)
        expected = counts.sum() / n
        assert len(counts) == n
        assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_interrupted_run_goes_on_where_it_was():
    whole = MixedSampler((7, 4), seed=1)
    three_epochs = [list(whole) for _ in range(3)]
    assert [len(e) for e in three_epochs] == [12, 12, 12]
    assert three_epochs[0] != three_epochs[1]
    first = MixedSampler((7, 4), seed=1)
    begun = list(islice(first, 5))
    resumed = MixedSampler((7, 4), seed=1, position=first.position)
    assert begun + list(resumed) == three_epochs[0]
    assert list(resumed) == three_epochs[1]
    assert list(MixedSampler((7, 4), seed=2)) != three_epochs[0]


def test_numbers_are_those_of_a_concat_dataset():
    datasets = [[('rio', i) for i in range(7)], [('scannet', i) for i in range(4)]]
    sampler = MixedSampler([len(d) for d in datasets], seed=5)
    joined = ConcatDataset(datasets)
    loader = DataLoader(joined, batch_size=None, sampler=sampler, collate_fn=tuple)
    seen = list(loader)
    assert seen == [datasets[d][i] for d, i in map(sampler.draw, range(len(sampler)))]
    assert {name for name, _ in seen} == {'rio', 'scannet'}
    for number in range(len(joined)):
        dataset, item = sampler.locate(number)
        assert joined[number] == datasets[dataset][item]
        assert sampler.number(dataset, item) == number


def test_a_weight_of_zero_leaves_a_data_set_out():
    sampler = MixedSampler((3, 0), (1.0, 0.0))
    assert len(sampler) == 3
    assert {sampler.draw(i)[0] for i in range(50)} == {0}


@pytest.mark.parametrize(
    ('lengths', 'weights', 'text'),
    [
        ((5,), (1.0, 0.8), 'one weight per data set'),
        ((), (), 'one weight'),
        ((5, 0), (1.0, 0.8), 'lengths'),
        ((5, 5), (0.0, 1.0), 'first above 0'),
        ((5, 5), (1.0, float('nan')), 'weights'),
    ],
)
def test_impossible_mixtures_say_so(lengths, weights, text):
    with pytest.raises(ConfigError, match=text):
        MixedSampler(lengths, weights)
