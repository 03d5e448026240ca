"""True masks in place of a network: an upper bound for everything after segmentation."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from rescene4d_ros.structures import INSTANCE_CLASSES, Scan, ScanSequence, Segmentation, UNLABELED
from rescene4d_ros.structures.truth import SequenceTruth


class TrueMasks:
    """
    Segmenter that returns the true masks and classes of each visit, without identity.

    Attributes
    ----------
    class_names : tuple of K str

    """

    class_names = network_classes = INSTANCE_CLASSES

    def __init__(self, sequence: ScanSequence, truth: SequenceTruth):
        self._truth = {scan.stamp_ns: visit for scan, visit in zip(sequence.scans, truth.visits)}

    def segment(self, scans: Sequence[Scan], keys: Sequence[Hashable]) -> Segmentation:
        """Return the truth of the scans as a segmentation."""
        labels: list[np.ndarray] = []
        class_ids: list[int] = []
        for scan in scans:
            visit = self._truth[scan.stamp_ns]
            classes = {o.instance_id: o.class_id for o in visit.objects}
            label = np.full(len(scan), -1, dtype=np.int32)
            for instance in np.unique(visit.instance[visit.instance > 0]).tolist():
                if 0 <= classes.get(instance, UNLABELED) < len(INSTANCE_CLASSES):
                    label[visit.instance == instance] = len(class_ids)
                    class_ids.append(classes[instance])
            labels.append(label)
        probs = np.eye(len(INSTANCE_CLASSES), dtype=np.float32)[np.array(class_ids, dtype=int)]
        return Segmentation(
            tuple(labels),
            probs,
            np.ones(len(probs), dtype=np.float32),
            np.zeros((len(probs), 0), dtype=np.float32),
            tuple((x >= 0).astype(np.float32) for x in labels),
        )
