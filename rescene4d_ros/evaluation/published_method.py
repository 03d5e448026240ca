"""Masks as publications score them: the best pairs of query and class, overlapping."""

from __future__ import annotations

import numpy as np
from rescene4d_ros.class_lists import translation
from rescene4d_ros.evaluation.observations import Observations
from rescene4d_ros.inference.published_masks import published_masks, PublishedMasks
from rescene4d_ros.metrics.sequences import PredictedSequence
from rescene4d_ros.structures import INSTANCE_CLASSES


def published(observations: Observations) -> PredictedSequence:
    """
    Segment all visits together and keep the masks as published code does.

    Superpoints are those of the data set where the file has them. Masks of classes that the truth
    does not have are left out; every other mask is an object of its own, and no changes are
    reported.
    """
    config = observations.config
    found = published_masks(
        observations.raw(), observations.scans, config.published_top, config.published_gap
    )
    return as_prediction(found, observations.network_classes)


def as_prediction(found: PublishedMasks, names: tuple[str, ...]) -> PredictedSequence:
    """
    Return masks as a prediction in the classes of the truth.

    Parameters
    ----------
    found : PublishedMasks
    names : tuple of str
        Classes of the network.

    """
    classes = translation(names, INSTANCE_CLASSES)[found.classes]
    rows = np.flatnonzero(classes >= 0)
    inside = np.concatenate(found.inside, axis=1)[rows]
    mask, points = np.nonzero(inside)
    starts = np.concatenate([[0], np.cumsum(np.bincount(mask, minlength=len(rows)))])
    return PredictedSequence(
        points.astype(np.int64),
        starts.astype(np.int64),
        classes[rows].astype(np.int64),
        found.scores[rows],
        np.arange(1, len(rows) + 1),
    )
