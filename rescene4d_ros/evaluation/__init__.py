"""The network, the memory and the baselines on identical observations."""

from rescene4d_ros.evaluation.config import ComparisonConfig
from rescene4d_ros.evaluation.method_metrics import metrics_of
from rescene4d_ros.evaluation.methods import ALL_METHODS, METHODS
from rescene4d_ros.evaluation.results_folder import ResultsFolder
from rescene4d_ros.evaluation.runs import compare, Compared, loaded, Plan
from rescene4d_ros.evaluation.true_masks import TrueMasks

__all__ = [
    'compare',
    'Compared',
    'ComparisonConfig',
    'loaded',
    'ALL_METHODS',
    'METHODS',
    'metrics_of',
    'Plan',
    'ResultsFolder',
    'TrueMasks',
]
