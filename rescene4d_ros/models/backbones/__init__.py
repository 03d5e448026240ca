"""
Networks that give every voxel features, by name.

Encoders never mix visits; decoders may be told to. A backbone is one module with `PRESETS` and
`make(in_channels, name, temporal_serialization)`; only the one that is asked for is loaded.
"""

from importlib import import_module

from rescene4d_ros.models.config import POINT_TRANSFORMERS, UNETS
from torch import nn

MODULES = {'unet': UNETS, 'point_transformer': POINT_TRANSFORMERS}


def make_backbone(name: str, in_channels: int, temporal_serialization: str) -> nn.Module:
    """
    Make a backbone with new weights.

    Parameters
    ----------
    name : str
        One of the presets of `MODULES`.
    in_channels : int
    temporal_serialization : str
        How its decoder shares time, if it can.

    """
    module = next(m for m, presets in MODULES.items() if name in presets)
    backbone = import_module(f'{__name__}.{module}')
    made: nn.Module = backbone.make(in_channels, name, temporal_serialization)
    return made
