"""The training objective: matching, mask, class and contrastive terms."""

from rescene4d_ros.losses.config import LossConfig
from rescene4d_ros.losses.criterion import Criterion
from rescene4d_ros.losses.targets import IGNORED_CLASS, Targets

__all__ = ['Criterion', 'IGNORED_CLASS', 'LossConfig', 'Targets']
