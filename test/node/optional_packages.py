"""The messages of vision_msgs 4 and bond 4, compiled for machines that lack these packages."""

import ctypes
import importlib
from importlib.util import find_spec
import os
from pathlib import Path
import shutil
import subprocess
import sys

CMAKE = """
cmake_minimum_required(VERSION 3.20)
project({name})
find_package(ament_cmake REQUIRED)
find_package(rosidl_default_generators REQUIRED)
find_package(std_msgs REQUIRED)
find_package(geometry_msgs REQUIRED)
rosidl_generate_interfaces(${{PROJECT_NAME}} {files} DEPENDENCIES std_msgs geometry_msgs)
get_property(_imported DIRECTORY PROPERTY IMPORTED_TARGETS)
foreach(_target ${{_imported}})  # include paths of the machine that made the wheels
  get_target_property(_dirs ${{_target}} INTERFACE_INCLUDE_DIRECTORIES)
  if(_dirs MATCHES "/opt/python/")
    list(FILTER _dirs EXCLUDE REGEX "^/opt/python/")
    set_target_properties(${{_target}} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${{_dirs}}")
  endif()
endforeach()
ament_package()
"""
MANIFEST = """<?xml version="1.0"?>
<package format="3">
  <name>{name}</name><version>4.0.0</version><description>messages</description>
  <maintainer email="test@example.com">test</maintainer><license>Apache-2.0</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
  <depend>std_msgs</depend><depend>geometry_msgs</depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
</package>
"""
MESSAGES = {
    'vision_msgs': {
        'ObjectHypothesis': 'string class_id\nfloat64 score\n',
        'ObjectHypothesisWithPose': (
            'vision_msgs/ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose\n'
        ),
        'BoundingBox3D': 'geometry_msgs/Pose center\ngeometry_msgs/Vector3 size\n',
        'Detection3D': (
            'std_msgs/Header header\nvision_msgs/ObjectHypothesisWithPose[] results\n'
            'vision_msgs/BoundingBox3D bbox\nstring id\n'
        ),
        'Detection3DArray': 'std_msgs/Header header\nvision_msgs/Detection3D[] detections\n',
    },
    'bond': {
        'Status': (
            'std_msgs/Header header\nstring id\nstring instance_id\nbool active\n'
            'float32 heartbeat_timeout\nfloat32 heartbeat_period\n'
        )
    },
}


def made_usable(folder: Path) -> dict[str, str]:
    """
    Compile what is missing, make it importable here, and return the environment of processes.

    The names, types and order of the fields are those of the published packages: both sides of a
    topic compare them.
    """
    missing = [name for name in MESSAGES if find_spec(name) is None]
    if not missing:
        return {}
    prefix = folder / 'prefix'
    environment = ros_environment()
    for name in missing:
        compile_package(folder / name, name, prefix, environment)
    (packages,) = {path.parent.parent for path in prefix.rglob('__init__.py')} & {
        path.parent for path in prefix.rglob('*-packages/*')
    }
    sys.path.insert(0, str(packages))
    importlib.invalidate_caches()
    load_libraries(prefix / 'lib')
    return {
        name: os.pathsep.join(filter(None, (str(where), os.environ.get(name))))
        for name, where in (('PYTHONPATH', packages), ('LD_LIBRARY_PATH', prefix / 'lib'))
    }


def ros_environment() -> dict[str, str]:
    """Return the environment in which CMake finds ROS: the sourced one, or that of the wheels."""
    if os.environ.get('ROS_DISTRO'):
        return dict(os.environ)
    prefix = str(Path(find_spec('rosidl_adapter').origin).parents[4])
    libraries = filter(None, (f'{prefix}/lib', os.environ.get('LD_LIBRARY_PATH')))
    return {
        **os.environ,
        'CMAKE_PREFIX_PATH': prefix,
        'AMENT_PREFIX_PATH': prefix,
        'LD_LIBRARY_PATH': os.pathsep.join(libraries),
    }


def compile_package(source: Path, name: str, prefix: Path, environment: dict[str, str]) -> None:
    """Write a package of messages, compile and install it."""
    (source / 'msg').mkdir(parents=True)
    files = [f'msg/{message}.msg' for message in MESSAGES[name]]
    for file, text in zip(files, MESSAGES[name].values()):
        (source / file).write_text(text)
    (source / 'CMakeLists.txt').write_text(CMAKE.format(name=name, files=' '.join(files)))
    (source / 'package.xml').write_text(MANIFEST.format(name=name))
    build = source / 'build'
    ninja = ['-G', 'Ninja'] if shutil.which('ninja') else []
    for command in (
        [
            *('cmake', '-S', source, '-B', build, '-DCMAKE_BUILD_TYPE=Release', *ninja),
            f'-DCMAKE_INSTALL_PREFIX={prefix}',
            f'-DPython3_EXECUTABLE={sys.executable}',
        ],
        ['cmake', '--build', build, '--target', 'install'],
    ):
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def load_libraries(folder: Path) -> None:
    """Load libraries into this process, where what needs them then finds them by name."""
    waiting = sorted(folder.glob('lib*.so'))
    while waiting:
        left = []
        for path in waiting:
            try:
                ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
            except OSError:  # it needs another one of them
                left.append(path)
        assert len(left) < len(waiting), left
        waiting = left
