"""
Build for pip: CMake generates and compiles the interfaces, its install tree goes into the wheel.

ROS users never run this file: colcon reads <build_type>ament_cmake</build_type> in package.xml
and calls CMakeLists.txt directly.
"""

from importlib.util import find_spec
import os
from pathlib import Path
import shutil
import subprocess
import sys
from xml.etree import ElementTree

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

NAME = 'rescene4d_ros'
HERE = Path(__file__).resolve().parent
ROS_IS_SOURCED = bool(os.environ.get('ROS_DISTRO') and os.environ.get('AMENT_PREFIX_PATH'))
ROS_WHEELS = ['ros-rclpy[fastrtps]==9.1.2', 'ros-common-interfaces==5.5.1']
LIBRARIES = [
    "backports.zstd; python_version < '3.14'",
    'Jinja2',
    'laspy',
    'lazrs',
    'lz4',
    'alembic>=1.12',
    'matplotlib',
    'numba',
    'numpy',
    "open3d-cpu; platform_machine == 'x86_64'",
    'Pillow',
    'plotly>=6',
    "pye57; platform_machine == 'x86_64'",
    'PyYAML',
    'rich',
    'rosbags',
    'safetensors',
    'scipy',
    'SQLAlchemy>=2',
    'tqdm',
    'trimesh',
]  # pinned in requirements.txt


def ros_environment():
    """Return the environment in which CMake finds ROS: the sourced one, or that of the wheels."""
    if ROS_IS_SOURCED:
        return dict(os.environ)
    spec = find_spec('rosidl_adapter')
    if spec is None:
        raise SystemExit(
            'expected the ROS 2 wheels that pyproject.toml names, found none; '
            'run `make setup` or `pip install .`'
        )
    prefix = str(Path(spec.origin).parents[4])  # <prefix>/lib/pythonX.Y/site-packages/<module>/
    libraries = [prefix + '/lib', os.environ.get('LD_LIBRARY_PATH')]
    return dict(
        os.environ,
        CMAKE_PREFIX_PATH=prefix,
        AMENT_PREFIX_PATH=prefix,
        LD_LIBRARY_PATH=os.pathsep.join(filter(None, libraries)),
    )


class CMakeBuild(build_py):
    """Install the CMake project into a staging prefix and hand that tree to the wheel."""

    def run(self):
        """Configure, compile, and collect what CMake installed."""
        build = Path(self.get_finalized_command('build').build_temp).resolve() / 'cmake'
        stage = build / 'stage'
        shutil.rmtree(build, ignore_errors=True)  # its cache names pip's last build environment
        env = ros_environment()
        subprocess.check_call(
            [
                'cmake',
                '-S',
                str(HERE),
                '-B',
                str(build),
                '-DCMAKE_BUILD_TYPE=Release',
                '-DBUILD_TESTING=OFF',
                f'-DCMAKE_INSTALL_PREFIX={stage}',
                f'-DPython3_EXECUTABLE={sys.executable}',
                *(['-G', 'Ninja'] if shutil.which('ninja') else []),
            ],
            env=env,
        )
        subprocess.check_call(
            ['cmake', '--build', str(build), '--target', 'install', '-j', str(os.cpu_count())],
            env=env,
        )
        package = next(stage.glob(f'**/*-packages/{NAME}'))
        shutil.rmtree(Path(self.build_lib) / NAME, ignore_errors=True)  # modules since removed
        shutil.copytree(
            package,
            Path(self.build_lib) / NAME,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns('*.c', '__pycache__'),
        )
        for path in sorted(stage.rglob('*')):  # .so files, launch, config, msg, ament index
            where = path.relative_to(stage)
            if (
                path.is_file()
                and where.parts[0] in ('lib', 'share')
                and not any(part.endswith('-packages') for part in where.parts)
            ):
                self.distribution.data_files.append((str(where.parent), [str(path)]))


class BinaryDistribution(Distribution):
    """Say that the wheel holds compiled code although setuptools sees no extension."""

    def has_ext_modules(self):
        """Return True: the wheel is for one Python version and platform."""
        return True


setup(
    name=NAME,
    version=ElementTree.parse(HERE / 'package.xml').findtext('version'),
    description='Objects that keep their identity over visits: 4D segmentation and scene memory',
    license='Apache-2.0',
    python_requires='>=3.11,<3.14',
    packages=[NAME],
    data_files=[],
    distclass=BinaryDistribution,
    cmdclass={'build_py': CMakeBuild},
    install_requires=LIBRARIES + ([] if ROS_IS_SOURCED else ROS_WHEELS),
    extras_require={
        'network': ['torch'],
        'camera': ['opencv-python-headless>=4.10'],  # undoes the distortion of raw depth images
        'postgresql': ['psycopg[binary]>=3.2'],
        'fleet': ['psycopg[binary]>=3.2', 'fsspec', 's3fs', 'prometheus_client>=0.20'],
        'ray': ['ray>=2.50,<3'],
        'mcp': ['mcp>=2.3,<3'],
        'view': ['viser>=1.1,<1.2'],
        'docs': ['mkdocs-material', 'mkdocstrings-python'],
        'test': [
            'axe-playwright-python',
            'compose-spec',
            'hypothesis',
            'kubernetes-validate',
            'moto[server]',
            'mypy',
            'playwright',
            'plyfile',
            'pre-commit',
            'pytest',
            'pytest-xdist',
            'ruff',
            'scikit-learn',
            'yamllint',
        ],
        'train': ['tensorboard'],
    },
    entry_points={'console_scripts': ['rescene4d = rescene4d_ros.cli.main:main']},
)
