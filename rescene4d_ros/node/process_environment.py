"""Where the package's files are, and the environment that its processes need."""

from __future__ import annotations

import os
from pathlib import Path
import sys

import rescene4d_ros


def share() -> Path:
    """Return the folder with `config/` and `launch/`: the source tree if run from it."""
    root = Path(rescene4d_ros.__file__).parents[1]
    if (root / 'package.xml').is_file():
        return root
    installed = Path(sys.prefix) / 'share' / 'rescene4d_ros'
    if installed.is_dir():  # by pip: ROS tools may not know of this prefix
        return installed
    from ament_index_python.packages import get_package_share_directory

    return Path(get_package_share_directory('rescene4d_ros'))


def environment() -> dict[str, str]:
    """
    Return the variables that let whole clouds through shared memory.

    Kilted and later read the first name, Jazzy the second and warns of the first.
    """
    old = os.environ.get('ROS_DISTRO') in ('humble', 'jazzy')
    name = 'FASTRTPS_DEFAULT_PROFILES_FILE' if old else 'FASTDDS_DEFAULT_PROFILES_FILE'
    return {name: str(share() / 'config' / 'fastdds.xml')}


def prepare() -> None:
    """Set those variables in this process, as far as the user has not; before rclpy.init."""
    for name, value in environment().items():
        os.environ.setdefault(name, value)


def interface_files() -> list[Path]:
    """Return the package's message definitions."""
    return sorted((share() / 'msg').glob('*.msg'))
