"""Training: samples, loop, checkpoints, validation."""

from rescene4d_ros.training.config import TrainConfig
from rescene4d_ros.training.loop import Progress, Trainer
from rescene4d_ros.training.recipe import Recipe
from rescene4d_ros.training.run_folder import RunFolder
from rescene4d_ros.training.samples.prepared_sequences import load_prepared, prepare_folder

__all__ = [
    'load_prepared',
    'prepare_folder',
    'Progress',
    'Recipe',
    'RunFolder',
    'TrainConfig',
    'Trainer',
]
