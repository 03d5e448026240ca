"""Temporal average precision on cases that can be counted by hand."""

from __future__ import annotations

import numpy as np
import pytest
from rescene4d_ros.models.outputs import QueryOutput
from rescene4d_ros.training.validation import (
    HeldOut,
    read_held_out,
    score_output,
    Scored,
    validation_precision,
)
import torch


def scored(score, predicted_class, overlap, classes, counted=None) -> Scored:
    classes = np.array(classes)
    counted = np.ones(len(classes), bool) if counted is None else np.array(counted)
    return Scored(
        np.array(score, float),
        np.array(predicted_class),
        np.array(overlap, float).reshape(len(score), len(classes)),
        classes,
        counted,
    )


def output_of(masks: torch.Tensor, classes: list[int]) -> QueryOutput:
    """Return confident queries (S, Q) of given classes out of 3 and "no object"."""
    logits = 20 * torch.nn.functional.one_hot(torch.tensor(classes), 4).float()
    return QueryOutput(logits[None], (20 * masks.float() - 10)[None], *[torch.zeros(0)] * 6)


def test_average_precision_by_hand():
    # True, false, true of three instances: precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3.
    s = scored([0.9, 0.8, 0.7], [0, 0, 0], [[0.9, 0, 0], [0.9, 0, 0], [0, 0.6, 0]], [0, 0, 0])
    assert validation_precision([s], 0.5) == pytest.approx((1 / 3 + 2 / 3 / 3, 2 / 3))
    assert validation_precision([s], 0.7) == pytest.approx((1 / 3, 1 / 3))
    assert validation_precision([s], 0.5, class_id=1) == (0.0, 0.0)
    # Sequences are pooled: a second one with its instance missed halves nothing but recall.
    missed = scored([], [], [], [0, 0, 0])
    assert validation_precision([s, missed], 0.5)[1] == pytest.approx(2 / 6)


def test_class_must_agree_and_small_instances_are_not_asked_for():
    s = scored([0.9, 0.8], [1, 0], [[0.9, 0], [0, 0.9]], [0, 0])
    assert validation_precision([s], 0.5, class_id=0) == pytest.approx((0.5, 0.5))
    assert validation_precision([s], 0.5) == pytest.approx((1.0, 1.0))
    small = scored([0.9, 0.8], [0, 0], [[0.9, 0], [0, 0.9]], [0, 0], [False, True])
    assert validation_precision([small], 0.5) == pytest.approx((1.0, 1.0))


def test_overlap_is_the_smallest_of_all_visits():
    counts = (np.array([[0, 100], [100, 0]]), np.array([[0, 80], [0, 20], [100, 0]]))
    truth = HeldOut((), counts, np.array([0]))
    masks = torch.tensor([[1, 1, 1], [0, 0, 0], [1, 1, 0], [0, 1, 0], [0, 1, 0]])
    result = score_output(output_of(masks, [0, 0, 0]), truth)
    np.testing.assert_allclose(result.overlap[:, 0], [0.8, 0.5, 0.0], atol=1e-6)
    assert result.score[0] == pytest.approx(1.0, abs=1e-3)


def test_absence_must_be_right_too():
    counts = (np.array([[0, 100]]), np.array([[100, 0]]))
    truth = HeldOut((), counts, np.array([0]))
    masks = torch.tensor([[1, 1], [0, 1]])
    result = score_output(output_of(masks, [0, 0]), truth)
    np.testing.assert_allclose(result.overlap[:, 0], [1.0, 0.0])
    barely = (np.array([[0, 100]]), np.array([[100, 10]]))
    result = score_output(output_of(masks, [0, 0]), HeldOut((), barely, np.array([0])))
    np.testing.assert_allclose(result.overlap[:, 0], [1.0, 1.0])


def test_truth_as_prediction_scores_what_superpoints_allow(toy_files, tiny_recipe):
    held_out = read_held_out(toy_files[0], 2, tiny_recipe.model)
    assert held_out.classes.tolist() == [2, 4, 2, 4]
    owner = np.concatenate([c.argmax(1) for c in held_out.counts])
    masks = torch.from_numpy(owner[:, None] == np.arange(1, 5)[None])
    logits = 20 * torch.nn.functional.one_hot(torch.tensor([2, 4, 2, 4]), 19).float()
    output = QueryOutput(logits[None], (20 * masks.float() - 10)[None], *[torch.zeros(0)] * 6)
    result = score_output(output, held_out)
    assert (np.diag(result.overlap) > 0.5).all()
    assert validation_precision([result], 0.5) == pytest.approx((1.0, 1.0))
