"""Predictions that people look at carry the numbers of the true objects they overlap."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.models.outputs import QueryOutput
from rescene4d_ros.training.validation import read_held_out
from rescene4d_ros.training.validation_examples import make_example, number_like
import torch


def test_numbers_of_the_best_overlap():
    true = [np.repeat([0, 7, 3], 10), np.repeat([7, 0, 3], 10)]
    found = [np.repeat([2, 1, 4], 10), np.repeat([1, 2, 5], 10)]
    first, second = number_like(true, found)
    # 1 is 7 in both visits; 4 and 5 are half of 3 each and only one may be it; 2 is nothing.
    assert (first[10:20] == 7).all()
    assert (second[:10] == 7).all()
    assert {int(first[25]), int(second[25])} - {3} != set()
    assert 3 in (first[25], second[25])
    others = {int(first[0]), *(int(x) for x in (first[25], second[25]) if x != 3)}
    assert len(others) == 2
    assert min(others) > 7
    assert (number_like([np.zeros(3, int)], [np.zeros(3, int)])[0] == 0).all()


def test_true_masks_as_queries_give_the_truth_back(toy_files, tiny_recipe):
    held_out = read_held_out(toy_files[0], 2, tiny_recipe.model)
    owner = np.concatenate([c.argmax(1) for c in held_out.counts])
    masks = torch.from_numpy(owner[:, None] == np.arange(1, 5)[None])
    logits = 20 * torch.nn.functional.one_hot(torch.tensor([2, 4, 2, 4]), 19).float()
    visit = torch.repeat_interleave(
        torch.tensor([0, 1]), torch.tensor([len(c) for c in held_out.counts])
    )
    nothing = torch.zeros(0)
    output = QueryOutput(
        logits[None],
        (20 * masks.float() - 10)[None],
        torch.zeros(4, 3),
        nothing,
        nothing,
        visit,
        nothing,
        nothing,
    )
    example = make_example(output, held_out, toy_files[0])
    assert example.name == 'toy-0'
    for true, predicted, scan in zip(example.true, example.predicted, example.scans):
        assert len(true) == len(predicted) == len(scan)
        assert set(np.unique(true)) <= {0, 1, 2, 3, 4}
        assert (true == predicted).mean() > 0.85
