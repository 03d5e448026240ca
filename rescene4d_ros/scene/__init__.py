"""The algorithm box: one visit goes in, identities and changes come out."""
from rescene4d_ros.scene.config import TrackerConfig
from rescene4d_ros.scene.interpreter import Segmenter
from rescene4d_ros.scene.tracker import RESTARTS, SceneTracker

__all__ = ['RESTARTS', 'SceneTracker', 'Segmenter', 'TrackerConfig']
