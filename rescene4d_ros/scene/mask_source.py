"""Where the instances of visits come from: the network, the clouds themselves, or nowhere."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import Protocol, TYPE_CHECKING

import numpy as np
from rescene4d_ros.errors import ScanError, without_torch
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.scene.visit_window import Segmenter
from rescene4d_ros.structures import (
    GivenInstances,
    INSTANCE_CLASSES,
    MaskSource,
    OTHER_OBJECT,
    Scan,
    Segmentation,
)
from rescene4d_ros.tracking.settings import TrackerConfig

if TYPE_CHECKING:  # it loads torch
    from rescene4d_ros.inference.visit_encoder import FeatureFiles


class MaskProvider(Segmenter, Protocol):
    """A segmenter with what a memory and a node want to know of it."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the name of each class."""

    @property
    def weights_hash(self) -> str | None:
        """Return what names its weights; None = it has none."""

    @property
    def device_name(self) -> str:
        """Return where it runs."""

    def keep_features(self, files: FeatureFiles | None) -> None:
        """Keep what is computed of named visits in files too."""

    def tune(self, config: InferenceConfig) -> None:
        """Take the thresholds of another config."""


def load_masks(config: InferenceConfig) -> MaskProvider:
    """
    Return what `inference.source` names; only the network needs weights and torch.

    Raises
    ------
    ConfigError
        The network is asked for, and torch is not installed.
    WeightsError, ConfigError
        See `inference.segmenter.Segmenter.load`.

    """
    if config.source == 'none':
        return NoMasks()
    if config.source == 'given':
        return GivenMasks()
    try:
        from rescene4d_ros.inference.segmenter import Segmenter as Network
    except ModuleNotFoundError as error:
        raise without_torch(error) from error
    return Network.load(config)


def tracker_for(config: TrackerConfig, source: str) -> TrackerConfig:
    """Return the settings of the tracker; without masks, change regions are all there is."""
    return replace(config, use_regions=True) if source == 'none' else config


class _WithoutWeights:
    """What masks that no network makes have in common."""

    class_names: tuple[str, ...] = INSTANCE_CLASSES
    weights_hash: str | None = None
    device_name: str = 'cpu'

    def keep_features(self, files: FeatureFiles | None) -> None:
        """Compute no features, so keep none."""

    def tune(self, config: InferenceConfig) -> None:
        """Have no thresholds."""


class NoMasks(_WithoutWeights):
    """Find no instances: objects are known by what comes, leaves and moves alone."""

    def segment(self, scans: Sequence[Scan], keys: Sequence[Hashable]) -> Segmentation:
        """Return a segmentation without instances."""
        return _segmentation([np.full(len(scan), -1, np.int32) for scan in scans], [], [])


class GivenMasks(_WithoutWeights):
    """Return the instances that came with the clouds; those of each visit on their own."""

    def segment(self, scans: Sequence[Scan], keys: Sequence[Hashable]) -> Segmentation:
        """
        Return the instances that the scans carry.

        Raises
        ------
        ScanError
            The newest scan carries none. An earlier one, stored without, has no instances.

        """
        if scans[-1].given is None:
            raise ScanError(
                f'{scans[-1].name or "visit"}: expected a field `instance` in the cloud, or '
                'boxes, because inference.source is given; got none; add them, or set '
                'inference.source to none'
            )
        labels: list[np.ndarray] = []
        classes: list[int] = []
        scores: list[float] = []
        for scan in scans:
            label = np.full(len(scan), -1, np.int32)
            for points, class_id, score in () if scan.given is None else _instances(scan.given):
                label[points] = len(scores)
                classes.append(class_id)
                scores.append(score)
            labels.append(label)
        return _segmentation(labels, classes, scores)


def _instances(given: GivenInstances) -> list[tuple[np.ndarray, int, float]]:
    """Return points, class and score of each instance; of its points the most frequent class."""
    names = np.unique(given.instance)
    order = np.argsort(given.instance, kind='stable')
    edges = np.searchsorted(given.instance[order], names, side='right')
    found = []
    for name, points in zip(names.tolist(), np.split(order, edges[:-1])):
        if name <= 0:
            continue
        class_id, score = OTHER_OBJECT, 1.0
        if given.class_id is not None:
            known = given.class_id[points]
            known = known[(known >= 0) & (known < len(INSTANCE_CLASSES))]
            class_id = int(np.bincount(known).argmax()) if len(known) else OTHER_OBJECT
        if given.score is not None:
            score = float(np.clip(given.score[points].mean(), 0.0, 1.0))
        found.append((points, class_id, score))
    return found


def _segmentation(
    labels: Sequence[np.ndarray], classes: Sequence[int], scores: Sequence[float]
) -> Segmentation:
    """Return instances without features, each in one visit."""
    certain = np.array(scores, np.float32)
    return Segmentation(
        tuple(labels),
        np.eye(len(INSTANCE_CLASSES), dtype=np.float32)[np.array(classes, dtype=int)],
        certain,
        np.zeros((len(certain), 0), np.float32),
        tuple(np.append(certain, 0.0)[label].astype(np.float32) for label in labels),
        sources=(MaskSource.GIVEN,) * len(certain),
    )
