"""Pictures of clouds, objects and changes for people; knows no network, no store and no ROS."""
from rescene4d_ros.view.before_after import draw_before_after
from rescene4d_ros.view.clouds import sequence_picture
from rescene4d_ros.view.colors import class_colors, color_of, colors_of

__all__ = ['class_colors', 'color_of', 'colors_of', 'draw_before_after', 'sequence_picture']
