"""Published checkpoints: read without running code, checked name by name, put into our network."""

from rescene4d_ros.models.checkpoints.convert import convert, Converted
from rescene4d_ros.models.checkpoints.entries import Coverage
from rescene4d_ros.models.checkpoints.point_transformer import load_pretrained
from rescene4d_ros.models.checkpoints.reading import read_checkpoint

__all__ = ['convert', 'Converted', 'Coverage', 'load_pretrained', 'read_checkpoint']
