"""A ROS process of this package: its files, its environment, and its loops."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import os
from pathlib import Path
import signal
import sys
from tempfile import NamedTemporaryFile
from threading import Thread

import rclpy
from rclpy.executors import Executor, ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.signals import SignalHandlerOptions
import rescene4d_ros
from rescene4d_ros.config import path_of
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.node.parameters import MemoryConfig
import yaml

WAITING = 1000  # requests that DDS keeps while one is answered
WAKE = 0.2  # s; how soon a signal is noticed while nothing else happens
# What a user sets to choose transports or profiles of Fast DDS; ours then stays out of the way.
DDS_CHOICES = (
    'FASTDDS_DEFAULT_PROFILES_FILE',
    'FASTRTPS_DEFAULT_PROFILES_FILE',
    'FASTDDS_BUILTIN_TRANSPORTS',
)
DDS_DEFAULT_FILES = ('DEFAULT_FASTDDS_PROFILES.xml', 'DEFAULT_FASTRTPS_PROFILES.xml')
NETWORK = 'RESCENE4D_NETWORK'  # 'loopback': DDS listens on 127.0.0.1 only
PROFILES = {'': 'fastdds.xml', 'all': 'fastdds.xml', 'loopback': 'fastdds_loopback.xml'}


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


def interface_files() -> list[Path]:
    """Return the package's message definitions."""
    return sorted((share() / 'msg').glob('*.msg'))


def dds_environment(network: str | None = None) -> dict[str, str]:
    """
    Return the variables that name our Fast DDS profile; none where the user has chosen another.

    The profile lets whole clouds through shared memory. Kilted and later read the first name,
    Jazzy the second and warns of the first.

    Parameters
    ----------
    network : str, optional
        'all' or 'loopback'; default is what the variable `RESCENE4D_NETWORK` says, else all.

    """
    chosen_by_user = any(os.environ.get(name) for name in DDS_CHOICES) or any(
        Path(name).is_file() for name in DDS_DEFAULT_FILES
    )
    if chosen_by_user:
        return {}
    old = os.environ.get('ROS_DISTRO') in ('humble', 'jazzy')
    name = 'FASTRTPS_DEFAULT_PROFILES_FILE' if old else 'FASTDDS_DEFAULT_PROFILES_FILE'
    network = os.environ.get(NETWORK, '') if network is None else network
    return {name: str(share() / 'config' / PROFILES.get(network, PROFILES['']))}


def prepare() -> None:
    """Set those variables in this process; before rclpy.init."""
    os.environ.update(dds_environment())


def spin(
    make: Callable[[], Node | Sequence[Node]],
    args: list[str] | None = None,
    on_error: Callable[[Node, Exception], None] | None = None,
) -> int:
    """
    Run nodes until ^C, SIGTERM or shutdown, then close them.

    A signal is only noted and raises nothing: an exception at any place would be lost in a
    finalizer (rclpy has one per callback, and the node would go on) or leave a lock held (and the
    end would never come). The callback and the visit at hand are finished; rclpy's own handlers
    would shut the context down before the visit is published. A second ^C changes nothing (the
    terminal and launch both send one), a second SIGTERM ends the process at once.

    ^C runs no lifecycle transition, so a node that holds resources closes them in `destroy_node`.

    Parameters
    ----------
    make : callable() -> Node or sequence of Node
    args : list of str, optional
        Command line; default is that of the process.
    on_error : callable(node, exception), optional
        Called with the first node and what a callback raised; the nodes then go on. Default: the
        process ends.

    Raises
    ------
    ConfigError
        The arguments, or a file of parameters that they name, are none.

    """
    executor: SingleThreadedExecutor | None = None
    nodes: Sequence[Node] = ()
    signals: list[int] = []

    def note(number: int, _) -> None:
        signals.append(number)
        _finish_first()

    prepare()
    # Also where a script started the node in its background and left SIGINT ignored.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, note)
    try:
        _begin(args)
        made = make()
        nodes = [made] if isinstance(made, Node) else made
        executor = SingleThreadedExecutor()
        for node in nodes:
            executor.add_node(node)
        while rclpy.ok() and not signals:
            try:
                # Not `rclpy.spin`, which waits without end: a signal may come just before.
                executor.spin_once(timeout_sec=WAKE)
            except Exception as error:
                if on_error is None:
                    raise
                on_error(nodes[0], error)
    finally:
        _finish_first()
        if executor is not None:
            executor.shutdown()
        for node in reversed(nodes):
            node.destroy_node()
        rclpy.try_shutdown()
    return 0


def _begin(args: list[str] | None) -> None:
    """Initialize ROS; errors of rcl name their place in its source."""
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    except RuntimeError as error:
        told = str(error).partition(', at ')[0]
        raise ConfigError(
            f'expected ROS arguments and a file of parameters, got: {told}; correct them'
        ) from error


def _finish_first() -> None:
    """Let no other ^C break the clean-up; SIGTERM may."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


class SideNode:
    """
    Spin a node of its own in a thread, so that what it serves holds up nothing of the main one.

    Parameters
    ----------
    node : Node
        Whose namespace counts.
    purpose : str
        Names the node and the thread.
    executor : Executor
        Of this node alone.
    on_error : callable(exception)
        Called with what a callback raised; the node then goes on.

    Attributes
    ----------
    node : Node
        Gets its services before `start`; is destroyed by the owner after `stop`.
    is_stopping : bool
        Whether callbacks at hand are to come to an end.

    """

    def __init__(
        self, node: Node, purpose: str, executor: Executor, on_error: Callable[[Exception], None]
    ):
        self._executor, self._on_error = executor, on_error
        self.is_stopping = False
        self.node = rclpy.create_node(
            f'_{node.get_name()}_{purpose}',
            context=node.context,
            namespace=node.get_namespace(),
            use_global_arguments=False,
            enable_rosout=False,
            start_parameter_services=False,
            parameter_overrides=[Parameter('start_type_description_service', value=False)],
        )
        self._thread = Thread(target=self._run, name=purpose, daemon=True)

    def start(self) -> None:
        """Answer from now on."""
        self._executor.add_node(self.node)
        self._thread.start()

    def stop(self) -> None:
        """Finish the callbacks at hand, and begin no other."""
        self.is_stopping = True
        self._executor.wake()
        self._thread.join()
        self._executor.shutdown()

    def _run(self) -> None:
        while not self.is_stopping and self.node.context.ok():
            try:
                self._executor.spin_once(timeout_sec=WAKE)
            except ExternalShutdownException:
                return
            except Exception as error:
                self._on_error(error)


class RequestThread:
    """
    Answer services in a thread with a node and an executor of its own.

    rclpy has no asynchronous answer: a callback that awaits is polled without pause. A second
    node in the same process keeps the main one free, and its requests come one after the other.

    Parameters
    ----------
    node : Node
        Whose names and remappings count.
    callbacks : mapping of (type, name) to callable(request, response)
    on_error : callable(exception)
        Called with what a callback raised.

    """

    def __init__(
        self,
        node: Node,
        callbacks: Mapping[tuple[type, str], Callable],
        on_error: Callable[[Exception], None],
    ):
        executor = SingleThreadedExecutor(context=node.context)
        self._side = SideNode(node, 'requests', executor, on_error)
        for (kind, name), callback in callbacks.items():
            self._side.node.create_service(
                kind,
                node.resolve_service_name(name),
                callback,
                qos_profile=QoSProfile(depth=WAITING),
            )
        self._side.start()

    def close(self) -> None:
        """Finish the request at hand and leave the network."""
        self._side.stop()
        self._side.node.destroy_node()


def memory_path(params_file: Path) -> Path:
    """Return the folder of the memory that a YAML file with parameters names, else the default."""
    found = MemoryConfig().path
    sections = [yaml.safe_load(params_file.read_text()) or {}]
    while sections:
        for key, part in sections.pop().items():
            if key == 'ros__parameters' and isinstance(part, dict):
                memory = part.get('memory')
                given = memory.get('path') if isinstance(memory, dict) else None
                found = part.get('memory.path') or given or found
            elif isinstance(part, dict):
                sections.append(part)
    return path_of(found)


def parameter_file(namespace: str, of_nodes: Mapping[str, Mapping[str, object]]) -> Path:
    """
    Write a file of parameters for several nodes of one process.

    On the command line a parameter of one node is known by its name alone, which means the one
    without a namespace.

    Parameters
    ----------
    namespace : str
        Of all of them, without slashes at its ends; may be empty, or ** for any.
    of_nodes : mapping of str to mapping of str to value
        Parameters by the name of the node.

    Returns
    -------
    Path
        A temporary file; rcl reads it at the start of the process.

    """
    whole = {
        '/'.join(['', *filter(None, namespace.split('/')), node]): {'ros__parameters': {**values}}
        for node, values in of_nodes.items()
    }
    with NamedTemporaryFile('w', prefix='rescene4d_', suffix='.yaml', delete=False) as file:
        yaml.safe_dump(whole, file)
    return Path(file.name)
