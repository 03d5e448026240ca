"""The learning rate and the averaged weights against their definitions."""

from __future__ import annotations

import pytest
from rescene4d_ros.training.schedule import average_of, nearness, one_cycle
import torch
from torch import nn


@pytest.mark.parametrize(('steps', 'warmup'), [(1, 0.1), (2, 0.5), (100, 0.3), (100, 0.0)])
def test_one_cycle_stays_below_its_peak_and_ends_at_almost_nothing(steps, warmup):
    rates = [one_cycle(s, steps, 0.5, warmup) for s in range(steps)]
    assert max(rates) <= 0.5
    assert min(rates) > 0
    if steps > 2:
        top = round(warmup * (steps - 1))
        assert rates[top] == pytest.approx(0.5, rel=0.01)
        assert rates[:top] == sorted(rates[:top])
        assert rates[top + 1 :] == sorted(rates[top + 1 :], reverse=True)
        assert rates[-1] == pytest.approx(0.5e-4)


def test_one_cycle_equals_torch():
    """Rates and the first beta of AdamW as the published scheduler cycles them."""
    parameter = nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.AdamW([parameter], lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.01, total_steps=51)
    warmup = (0.3 * 51 - 1) / 50  # theirs puts the peak one step off, at pct_start * steps - 1
    for step in range(51):
        (group,) = optimizer.param_groups
        assert group['lr'] == pytest.approx(one_cycle(step, 51, 0.01, warmup, 4e-6), rel=1e-6)
        expected = 0.95 - 0.1 * nearness(step, 51, warmup)
        assert group['betas'][0] == pytest.approx(expected, rel=1e-6)
        if step < 50:
            optimizer.step()
            theirs.step()


def test_average_equals_the_sum_it_stands_for():
    model = nn.BatchNorm1d(3)
    kept = average_of(model, 0.9)
    expected = model.weight.detach().clone()
    generator = torch.Generator().manual_seed(0)
    for step in range(200):
        with torch.no_grad():
            model.weight.normal_(generator=generator)
            model.num_batches_tracked += 1
        kept.update_parameters(model)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * model.weight.detach()
    average = kept.module
    torch.testing.assert_close(average.weight, expected)
    assert int(average.num_batches_tracked) == 200
    assert not average.weight.requires_grad
    assert not average.training
