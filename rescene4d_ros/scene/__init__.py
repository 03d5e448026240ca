"""Scans in, persistent identities and changes out, one visit after the other."""

from rescene4d_ros.scene.tracker import RESTARTS, SceneTracker
from rescene4d_ros.scene.visit_window import Segmenter
from rescene4d_ros.tracking.settings import TrackerConfig

__all__ = ['RESTARTS', 'SceneTracker', 'Segmenter', 'TrackerConfig']
