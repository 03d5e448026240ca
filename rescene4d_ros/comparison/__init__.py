"""Our model and the baselines on identical observations; joins networks, memory and scores."""
from rescene4d_ros.comparison.config import ComparisonConfig
from rescene4d_ros.comparison.methods import METHODS
from rescene4d_ros.comparison.metrics import metrics_of
from rescene4d_ros.comparison.results import ResultsFolder
from rescene4d_ros.comparison.runs import compare, Compared, loaded, Plan
from rescene4d_ros.comparison.true_masks import TrueMasks

__all__ = ['compare', 'Compared', 'ComparisonConfig', 'loaded', 'METHODS', 'metrics_of', 'Plan',
           'ResultsFolder', 'TrueMasks']
