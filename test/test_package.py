"""Each fact has one source: versions, dependencies, messages, tables of the reference."""

import ast
from importlib import metadata
import json
import os
from pathlib import Path
import re
import subprocess
import sys
import tomllib
from xml.etree import ElementTree

import pytest
import rescene4d_ros
import yaml

ROOT = Path(__file__).resolve().parent.parent
PACKAGE_XML = ElementTree.parse(ROOT / 'package.xml')
EVERYONE_HAS = {'rescene4d_ros'}


@pytest.fixture
def distribution():
    """Return what pip knows of the package; colcon leaves no such record."""
    try:
        return metadata.distribution('rescene4d_ros')
    except metadata.PackageNotFoundError:
        pytest.skip('installed by colcon, not by pip')


KINDS = ('msg', 'srv', 'action')


def test_version(distribution):
    """package.xml, the module and the installed package agree."""
    assert PACKAGE_XML.findtext('version') == rescene4d_ros.__version__
    assert distribution.version == rescene4d_ros.__version__


def test_cmake_compiles_every_interface():
    """A message that is not in CMakeLists.txt would not exist."""
    recipe = (ROOT / 'CMakeLists.txt').read_text()
    listed = set(re.findall(r'(?:msg|srv|action)/\w+\.(?:msg|srv|action)', recipe))
    found = {str(p.relative_to(ROOT)) for k in KINDS for p in (ROOT / k).iterdir()}
    assert listed == found
    assert len(found) >= 6


@pytest.mark.parametrize(
    'path', sorted(path for k in KINDS for path in (ROOT / k).iterdir()), ids=lambda p: p.name
)
def test_every_message_field_is_explained(path):
    """Each field has a comment, or a name and type that need none; constants start at UNKNOWN."""
    plain = {'class_name', 'objects'}
    for line in path.read_text().splitlines():
        field, _, comment = line.partition('#')
        if len(field.split()) == 2 and '=' not in field:
            assert comment or field.split()[1] in plain, line
    constants = re.findall(r'^uint8 (\w+)=(\d+)', path.read_text(), re.MULTILINE)
    assert not constants or constants[0] == ('UNKNOWN', '0')


def ros_imports():
    """Return the top-level names that node/ and launch/ import."""
    names = set()
    for path in [*(ROOT / 'rescene4d_ros' / 'node').glob('*.py'), *(ROOT / 'launch').glob('*.py')]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split('.')[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names.add(node.module.split('.')[0])
    return names


def test_package_xml_declares_what_is_imported():
    """Rosdep installs only what is declared."""
    declared = {e.text for e in PACKAGE_XML.getroot() if e.tag.endswith('depend')}
    declared |= {'tf2_ros'} if 'tf2_ros_py' in declared else set()  # the package's module
    python = {name.removeprefix('python3-') for name in declared}
    from_pip = {'rosbags'}
    missing = ros_imports() - set(sys.stdlib_module_names) - EVERYONE_HAS - python - from_pip
    assert not missing


def names_of(requirements):
    """Return the lower-case project names of requirement lines."""
    return {re.split(r'[=<>\[;]', r)[0].strip().lower() for r in requirements}


def test_requirements_are_pinned_and_complete(distribution):
    """requirements.txt pins what setup.py needs; the ROS wheels are those it was built with."""
    pins = [
        line
        for line in (ROOT / 'requirements.txt').read_text().splitlines()
        if line and not line.startswith('#')
    ]
    assert all('==' in pin for pin in pins)
    needed = [
        r
        for r in distribution.requires
        if 'extra ==' not in r or "extra == 'network'" in r.replace('"', "'")
    ]
    wheels = {r for r in needed if r.startswith('ros-')}
    assert names_of(pins) == names_of(set(needed) - wheels)
    build = tomllib.loads((ROOT / 'pyproject.toml').read_text())['build-system']['requires']
    assert wheels <= set(build)


def test_console_script(distribution):
    """`rescene4d` is installed beside the interpreter, and knows its version."""
    script = Path(sys.prefix) / 'bin' / 'rescene4d'
    done = subprocess.run([script, '--version'], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == rescene4d_ros.__version__


def test_setup_has_nothing_to_do_twice():
    """`make setup` says nothing and installs nothing when nothing has changed."""
    if 'MAKELEVEL' not in os.environ:
        pytest.skip('only under make test, which has just set up')
    done = subprocess.run(
        ['make', '-C', ROOT, '--no-print-directory', 'setup'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ''


@pytest.mark.parametrize('name', ['topics', 'services', 'parameters', 'builder_parameters'])
def test_reference_tables_equal_the_code(name):
    """The reference's tables of topics, services and parameters are those of the code."""
    from rescene4d_ros.node.tools import reference_tables

    page = (ROOT / 'docs' / 'reference' / 'parameters.md').read_text()
    table = f'<!-- table:{name} -->\n{reference_tables.TABLES[name]()}\n{reference_tables.END}'
    assert table in page, f'run the command in the docstring of {reference_tables.__name__}'


def test_parameter_file_names_known_parameters():
    """A misspelled name in config/robot.yaml would silently do nothing."""
    from rescene4d_ros.config import check
    from rescene4d_ros.node.parameters import named_settings

    document = yaml.safe_load((ROOT / 'config' / 'robot.yaml').read_text())
    given = document['/**']['rescene4d']['ros__parameters']
    flat = {
        (f'{k}.{name}' if name else k): value
        for k, section in given.items()
        for name, value in (section if isinstance(section, dict) else {'': section}).items()
    }
    known = dict(named_settings())
    assert len(flat) >= 4
    for name, value in flat.items():
        check(known[name], value, 'robot.yaml')


def test_launch_file_names_what_is_there():
    """Where launch is not installed: it compiles, and arguments, parameters and files exist."""
    from rescene4d_ros.node.messages import interfaces
    from rescene4d_ros.node.parameters import named_settings

    tree = ast.parse((ROOT / 'launch' / 'robot.launch.py').read_text())
    compile(tree, 'robot.launch.py', 'exec')
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]

    def named(*functions):
        return [
            call
            for call in calls
            if getattr(call.func, 'id', getattr(call.func, 'attr', '')) in functions
        ]

    def keywords(call):
        return {k.arg: k.value.value for k in call.keywords if isinstance(k.value, ast.Constant)}

    declared = {call.args[0].value for call in named('DeclareLaunchArgument')}
    used = {
        call.args[0].value
        for call in named('LaunchConfiguration', 'value')
        if isinstance(call.args[0], ast.Constant)
    }
    constants = {
        ast.unparse(node.targets[0]): node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
    }
    becomes = ast.literal_eval(constants['PARAMETERS'])
    switches = ast.literal_eval(constants['SWITCHES'])
    assert len(used) >= 6
    assert used | {*becomes, *switches} == declared  # none is forgotten, none is misspelled
    assert {*becomes.values(), *switches} <= dict(named_settings()).keys()
    nodes = [keywords(node) for node in named('LifecycleNode')]
    assert [node['name'] for node in nodes] == [interfaces.NODE_NAME, 'visit_builder']
    recipe = (ROOT / 'CMakeLists.txt').read_text()
    assert all(f'install_executable({node["executable"]} ' in recipe for node in nodes)


def test_rviz_shows_what_the_node_publishes():
    """The displays subscribe to topics that exist, and get what was published before RViz."""
    from rescene4d_ros.node.messages import interfaces

    document = yaml.safe_load((ROOT / 'config' / 'rescene4d.rviz').read_text())
    shown = [d['Topic'] for d in document['Visualization Manager']['Displays'] if 'Topic' in d]
    latched = {
        t.name.replace('~', 'rescene4d')  # relative: RViz is in the namespace of the node
        for t in interfaces.TOPICS
        if t.durability == 'transient_local'
    }
    assert len(shown) >= 2
    for topic in shown:
        assert topic['Value'] in latched
        assert topic['Durability Policy'] == 'Transient Local'


def test_foxglove_shows_what_the_node_publishes():
    """
    Each panel of the layout is placed and reads a topic that the node publishes.

    The heartbeat is for programs: the diagnostics say as much to people.
    """
    from rescene4d_ros.node.messages import interfaces

    def texts(value):
        if isinstance(value, dict):
            return [t for k, v in value.items() for t in (k, *texts(v))]
        return [value] if isinstance(value, str) else []

    document = json.loads((ROOT / 'config' / 'foxglove.json').read_text())
    published = {
        t.name.replace('~', '/rescene4d')
        for t in interfaces.TOPICS
        if t.direction == 'out' and t is not interfaces.HEARTBEAT
    }
    shown = {t for t in texts(document['configById']) if t.startswith('/')}
    assert shown == published
    assert {t for t in texts(document['layout']) if '!' in t} == {*document['configById']}


def test_shipped_files_are_found(monkeypatch):
    """Run from the source tree, the package finds its configuration and messages."""
    from rescene4d_ros.node import ros_process

    for name in ros_process.DDS_CHOICES:
        monkeypatch.delenv(name, raising=False)
    for network in ('all', 'loopback'):
        (path,) = ros_process.dds_environment(network).values()
        whitelist = ElementTree.parse(path).findall('.//{*}interfaceWhiteList/{*}address')
        assert [a.text for a in whitelist] == (['127.0.0.1'] if network == 'loopback' else [])
    assert {p.stem for p in ros_process.interface_files()} >= {'SceneObject', 'SceneChange'}


@pytest.mark.parametrize(
    'name',
    [
        'FASTDDS_DEFAULT_PROFILES_FILE',
        'FASTRTPS_DEFAULT_PROFILES_FILE',
        'FASTDDS_BUILTIN_TRANSPORTS',
    ],
)
def test_a_users_own_dds_profile_is_left_alone(monkeypatch, name):
    """What a user chose for Fast DDS, under whichever name, is not replaced by ours."""
    from rescene4d_ros.node import ros_process

    for other in ros_process.DDS_CHOICES:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, 'mine')
    assert ros_process.dds_environment() == {}


def test_a_users_own_dds_file_is_left_alone(monkeypatch, tmp_path):
    """Fast DDS reads a profile in the working directory by itself."""
    from rescene4d_ros.node import ros_process

    for other in ros_process.DDS_CHOICES:
        monkeypatch.delenv(other, raising=False)
    monkeypatch.chdir(tmp_path)
    assert ros_process.dds_environment()
    (tmp_path / 'DEFAULT_FASTDDS_PROFILES.xml').write_text('<dds/>')
    assert ros_process.dds_environment() == {}
