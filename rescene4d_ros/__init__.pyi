"""What type checkers see of the public API, whose modules are imported at first use."""

from rescene4d_ros.data.readers.cloud_files import read_cloud as read_cloud
from rescene4d_ros.inference.segmenter import Segmenter as Segmenter
from rescene4d_ros.memory.store import SceneMemory as SceneMemory
from rescene4d_ros.scene.tracker import SceneTracker as SceneTracker
from rescene4d_ros.structures import Scan as Scan

__version__: str
__all__ = ['read_cloud', 'Scan', 'SceneMemory', 'SceneTracker', 'Segmenter']
