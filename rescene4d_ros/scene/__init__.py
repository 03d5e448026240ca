"""The algorithm box: one visit goes in, identities and changes come out."""

from rescene4d_ros.scene.config import TrackerConfig
from rescene4d_ros.scene.tracker import RESTARTS, SceneTracker
from rescene4d_ros.scene.visit_interpreter import Segmenter

__all__ = ['RESTARTS', 'SceneTracker', 'Segmenter', 'TrackerConfig']
