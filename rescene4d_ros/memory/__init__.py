"""What was seen, which object is which, and what changed, on disk; knows neither torch nor ROS."""
from rescene4d_ros.memory.export import changes_document, objects_document
from rescene4d_ros.memory.store import SceneMemory

__all__ = ['changes_document', 'objects_document', 'SceneMemory']
