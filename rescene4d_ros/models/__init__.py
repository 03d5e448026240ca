"""The network: visits in, 4D queries out; knows nothing of files, truth or remembered objects."""
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.inputs import make_visit_input, VisitInput
from rescene4d_ros.models.outputs import LevelFeatures, QueryOutput, VisitFeatures, VisitPyramid
from rescene4d_ros.models.segmenter import ReScene4D

__all__ = [
    'LevelFeatures', 'make_visit_input', 'ModelConfig', 'QueryOutput', 'ReScene4D',
    'VisitFeatures', 'VisitInput', 'VisitPyramid']
