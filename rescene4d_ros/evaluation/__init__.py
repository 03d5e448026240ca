"""How right a result is against the truth; knows arrays and structures, no network, no memory."""
from rescene4d_ros.evaluation.matching import match_visit
from rescene4d_ros.evaluation.scorecard import ObjectScore, score_visits, ScoreCard

__all__ = ['match_visit', 'ObjectScore', 'score_visits', 'ScoreCard']
