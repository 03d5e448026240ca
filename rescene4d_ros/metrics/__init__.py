"""Scores of results against the truth, on arrays and structures."""

from rescene4d_ros.metrics.config import ScoreRules
from rescene4d_ros.metrics.identity.visit_matching import match_visit
from rescene4d_ros.metrics.scorecard import ObjectScore, score_visits, ScoreCard
from rescene4d_ros.metrics.sequences import (
    predicted_sequence,
    PredictedChange,
    PredictedSequence,
    true_sequence,
    TrueSequence,
)
from rescene4d_ros.metrics.summary import reduce_sequence, summarize

__all__ = [
    'match_visit',
    'ObjectScore',
    'predicted_sequence',
    'PredictedChange',
    'PredictedSequence',
    'reduce_sequence',
    'score_visits',
    'ScoreCard',
    'ScoreRules',
    'summarize',
    'true_sequence',
    'TrueSequence',
]
