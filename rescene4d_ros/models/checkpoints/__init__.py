"""Published checkpoints: read without executing code, checked tensor by tensor, and converted."""

from rescene4d_ros.models.checkpoints.convert import convert, Converted
from rescene4d_ros.models.checkpoints.entries import Coverage
from rescene4d_ros.models.checkpoints.hyper_parameters import data_set
from rescene4d_ros.models.checkpoints.point_transformer import load_pretrained
from rescene4d_ros.models.checkpoints.reading import read_checkpoint

__all__ = ['convert', 'Converted', 'Coverage', 'data_set', 'load_pretrained', 'read_checkpoint']
