"""
Objects that keep their identity over visits: 4D segmentation and scene memory for ROS 2.

The names of `__all__` are the public Python API; a module is imported when its name is first
used, so neither torch nor ROS is imported before it is needed.
"""

from importlib import import_module
from pkgutil import extend_path

# A source tree ahead of the installed package on sys.path (pytest, python -m from the repository
# root) must still find the generated rescene4d_ros.msg / .srv of the installed one.
__path__ = extend_path(__path__, __name__)
__version__ = '0.2.0'

_MODULES = {
    'read_cloud': 'data.readers.cloud_files',
    'Scan': 'structures',
    'SceneMemory': 'memory.store',
    'SceneTracker': 'scene.tracker',
    'Segmenter': 'inference.segmenter',
}
__all__ = [*_MODULES]


def __getattr__(name):
    """Import a public name at its first use (PEP 562)."""
    if name not in _MODULES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    value = getattr(import_module(f'{__name__}.{_MODULES[name]}'), name)
    globals()[name] = value
    return value


def __dir__():
    """Return the names of the module, with those not imported yet."""
    return sorted({*globals(), *__all__})
