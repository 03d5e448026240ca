"""Objects that keep their identity over visits: 4D segmentation and scene memory for ROS 2."""

from pkgutil import extend_path

# A source tree ahead of the installed package on sys.path (pytest, python -m from the repository
# root) must still find the generated rescene4d_ros.msg / .srv of the installed one.
__path__ = extend_path(__path__, __name__)
__version__ = '0.1.0'
