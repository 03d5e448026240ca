"""Weights and visits in, instances out: the only door to torch; knows no remembered ids."""
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.postprocess import duplicates, segment_queries
from rescene4d_ros.inference.segmenter import Segmenter
from rescene4d_ros.inference.weights import (
    default_weights,
    load_weights,
    read_weights,
    save_weights,
    weights_hash,
    WeightsInfo,
)

__all__ = [
    'default_weights', 'duplicates', 'InferenceConfig', 'load_weights', 'read_weights',
    'save_weights', 'segment_queries', 'Segmenter', 'weights_hash', 'WeightsInfo']
