"""The imports that docs/design/architecture.md allows: between packages, and of libraries."""

import ast
import importlib
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent / 'rescene4d_ros'
CORE = {'atomic_write', 'config', 'errors', 'processes', 'structures'}
MAY_IMPORT = {
    'structures': set(),
    'class_lists': set(),
    'geometry': set(),
    'data': {'class_lists', 'geometry'},
    'synthetic_rooms': {'geometry', 'data'},
    'sparse': set(),
    'models': {'sparse', 'geometry'},
    'losses': set(),
    'training': {'data', 'models', 'losses', 'metrics', 'inference', 'geometry'},
    'metrics': {'class_lists', 'geometry'},
    'inference': {'class_lists', 'models', 'geometry'},
    'tracking': {'geometry'},
    'plausibility': {'geometry'},
    'visit_building': {'geometry', 'data'},
    'memory': {'tracking', 'geometry'},
    'planning': {'memory', 'tracking', 'geometry'},
    'questions': {'memory', 'tracking', 'geometry'},
    'scene': {'inference', 'memory', 'tracking', 'plausibility', 'geometry'},
    'evaluation': {
        'class_lists',
        'scene',
        'inference',
        'memory',
        'tracking',
        'metrics',
        'data',
        'geometry',
    },
    'fleet': {'scene', 'memory', 'plausibility', 'data'},
    'view': {'metrics', 'memory', 'questions', 'tracking', 'geometry'},
    'node': {
        'scene',
        'fleet',
        'memory',
        'tracking',
        'plausibility',
        'visit_building',
        'planning',
        'inference',
        'data',
        'questions',
        'view',
        'geometry',
    },
    'cli': {
        'class_lists',
        'geometry',
        'data',
        'synthetic_rooms',
        'sparse',
        'models',
        'losses',
        'training',
        'metrics',
        'inference',
        'tracking',
        'plausibility',
        'visit_building',
        'memory',
        'planning',
        'questions',
        'scene',
        'evaluation',
        'fleet',
        'view',
    },
    'atomic_write': set(),
    'errors': set(),
    'config': set(),
    'processes': set(),
}
ROS = (
    'rclpy',
    'sensor_msgs',
    'sensor_msgs_py',
    'std_msgs',
    'geometry_msgs',
    'nav_msgs',
    'std_srvs',
    'visualization_msgs',
    'diagnostic_msgs',
    'lifecycle_msgs',
    'builtin_interfaces',
    'tf2_ros',
    'tf_transformations',
    'ament_index_python',
    'rcl_interfaces',
    'launch',
    'launch_ros',
    'vision_msgs',
    'rosidl_runtime_py',
)
GENERATED = ('msg', 'srv', 'action')  # compiled messages: only node/ may touch them
WITHOUT_TORCH = (
    'structures',
    'class_lists',
    'geometry',
    'tracking',
    'plausibility',
    'visit_building',
    'memory',
    'planning',
    'questions',
    'view',
    'synthetic_rooms',
    'metrics',
    'data',
    'atomic_write',
    'errors',
    'config',
    'processes',
)
WITHOUT_DISK = ('structures', 'geometry', 'tracking', 'scene', 'losses', 'errors')
DISK = ('sqlalchemy', 'os', 'shutil', 'tempfile', 'sqlite3', 'pathlib')


def imports_of(path):
    """Return every module name a file imports, also inside functions."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path}: relative import'
            names |= {f'{node.module}.{alias.name}' for alias in node.names}
    return names


def room_of(path):
    """Return the room a file belongs to: the folder, or the module at the top."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else path.stem


FILES = sorted(p for p in PACKAGE.rglob('*.py') if p != PACKAGE / '__init__.py')


def test_walk_found_the_package():
    """An empty walk would make every other test here pass."""
    assert len(FILES) > 40
    assert {room_of(p) for p in FILES} == set(MAY_IMPORT)


@pytest.mark.parametrize('path', FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_arrows(path):
    """A room imports only the rooms its row names; ROS stays in node/, torch out of memory/."""
    room = room_of(path)
    names = imports_of(path)
    ours = {n.split('.')[1] for n in names if n.startswith('rescene4d_ros.')} - {'__version__'}
    allowed = MAY_IMPORT[room] | CORE | {room}
    if room == 'node':
        allowed |= set(GENERATED)
    assert ours <= allowed, f'{room}/ must not import {sorted(ours - allowed)}'
    roots = {n.split('.')[0] for n in names}
    if room != 'node':
        assert not roots & set(ROS), f'only node/ imports ROS, not {room}/'
    if room in WITHOUT_TORCH:
        assert 'torch' not in roots, f'{room}/ must work without torch'
    if room in WITHOUT_DISK:
        assert not roots & set(DISK), f'{room}/ must work without disk'


MOST_FILES = 12
MOST_OF_A_VISIT = 110  # files
MOST_CHANGES = 430  # of file, in the room of the script
ROOMS = sorted(p.parent for p in PACKAGE.rglob('__init__.py') if p.parent != PACKAGE)


@pytest.mark.parametrize('room', ROOMS, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_rooms_are_of_a_size(room):
    """A room fits one listing; a sub-room of one file is that file."""
    files = [p for p in room.glob('*.py') if p.name != '__init__.py']
    sub_rooms = [p for p in room.iterdir() if (p / '__init__.py').exists()]
    assert len(files) <= MOST_FILES, f'{room.name}/ has {len(files)} files; make sub-rooms'
    if room.parent != PACKAGE and not sub_rooms:
        assert len(files) > 1, f'{room.name}/ has one file; move it up'


def test_no_vague_rooms_or_files():
    """A file called utils says nothing about what it holds."""
    vague = {'utils', 'util', 'common', 'helpers', 'misc'}
    assert not [p for p in PACKAGE.rglob('*') if p.stem in vague]


def test_a_visit_passes_few_files(monkeypatch):
    """What a reader of one visit must know stays small; the script names what is left out."""
    monkeypatch.syspath_prepend(str(PACKAGE.parent / 'benchmarks'))
    reading_cost = importlib.import_module('reading_cost')
    visit = reading_cost.closure(PACKAGE.parent, reading_cost.of_visits)
    assert sum(map(reading_cost.has_code, visit)) <= MOST_OF_A_VISIT
    assert len(reading_cost.closure(PACKAGE.parent, reading_cost.when_loaded)) <= MOST_OF_A_VISIT
    doors = reading_cost.NOT_OF_VISITS
    assert {d for d in doors if not reading_cost.files_of(PACKAGE.parent, d)} == set()


def test_a_visit_changes_files_seldom(monkeypatch):
    """Reading along one visit, one goes from file to file no more than this."""
    monkeypatch.syspath_prepend(str(PACKAGE.parent / 'benchmarks'))
    trace = importlib.import_module('reading_cost').trace_visit(PACKAGE.parent)
    assert sum(trace.changes.values()) <= MOST_CHANGES
