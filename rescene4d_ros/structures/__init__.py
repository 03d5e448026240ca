"""Frozen dataclasses that packages exchange; values without algorithms."""

from rescene4d_ros.structures.box import Box
from rescene4d_ros.structures.finding import Finding, Severity
from rescene4d_ros.structures.objects import (
    Change,
    ChangeKind,
    MemorySnapshot,
    ObjectState,
    ReprocessResult,
    SceneObject,
    SceneUpdate,
    VisitChanges,
    VisitInfo,
    VisitStatus,
)
from rescene4d_ros.structures.scan import GivenInstances, Scan, ScanSequence
from rescene4d_ros.structures.segmentation import (
    FLOOR,
    INSTANCE_CLASSES,
    MaskSource,
    OTHER_OBJECT,
    Prediction,
    Segmentation,
    SEMANTIC_CLASSES,
    UNLABELED,
    WALL,
)

__all__ = [
    'Box',
    'Change',
    'ChangeKind',
    'Finding',
    'FLOOR',
    'GivenInstances',
    'INSTANCE_CLASSES',
    'MaskSource',
    'MemorySnapshot',
    'ObjectState',
    'OTHER_OBJECT',
    'Prediction',
    'ReprocessResult',
    'Scan',
    'ScanSequence',
    'SceneObject',
    'SceneUpdate',
    'Segmentation',
    'SEMANTIC_CLASSES',
    'Severity',
    'UNLABELED',
    'VisitChanges',
    'VisitInfo',
    'VisitStatus',
    'WALL',
]
