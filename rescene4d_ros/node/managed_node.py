"""A managed node: transitions that say what failed, a start of its own, errors that are told."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
import functools
import sys
import time
import traceback
from typing import Any, TYPE_CHECKING

from rcl_interfaces.msg import Parameter as ParameterMessage
from rcl_interfaces.msg import SetParametersResult
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rclpy.parameter_service import ParameterService
from rclpy.timer import Timer
from rescene4d_ros.errors import ConfigError, RescenError
from rescene4d_ros.node.diagnostics import DiagnosticsPublisher, text_of
from rescene4d_ros.node.parameters import declare
from rescene4d_ros.node.ros_process import spin

if TYPE_CHECKING:
    from rescene4d_ros.node.optional.bond import Bond

SUCCESS = TransitionCallbackReturn.SUCCESS
FAILURE = TransitionCallbackReturn.FAILURE
ERROR = TransitionCallbackReturn.ERROR
CONFIGURED, ACTIVE, INACTIVE = 'configured', 'active', 'inactive'
AUTOSTART_RETRY = (1.0, 10.0)  # s; the first wait, doubled up to the longest


def transition(reached: str) -> Callable:
    """
    Make a lifecycle callback that logs, reports and never raises.

    rclpy would return ERROR without a word. What the user can put right leaves the node where it
    was.

    Parameters
    ----------
    reached : str
        What the node is afterwards.

    """

    def decorate(callback: Callable) -> Callable:
        @functools.wraps(callback)
        def guarded(self: ManagedNode, state) -> TransitionCallbackReturn:
            start, doing = time.perf_counter(), callback.__name__.removeprefix('on_')
            try:
                done = callback(self)
            except Exception as error:
                self._diagnostics.state = f'{doing} failed'
                self._diagnostics.stats.problem(doing, text_of(error))
                if isinstance(error, RescenError):
                    self.get_logger().error(f'on_{doing}: {error}')
                    return FAILURE
                self.get_logger().fatal(f'on_{doing}:\n{traceback.format_exc()}')
                return ERROR
            self.reached = self._diagnostics.state = reached
            self._diagnostics.stats.solved(doing)
            self.follow_bond()
            self.get_logger().info(f'{reached} in {time.perf_counter() - start:.1f} s{done}')
            return SUCCESS

        return guarded

    return decorate


class AnsweringParameterService(ParameterService):
    """Refuse values that rclpy raises on, such as those of a type that does not exist."""

    def _set_parameters_callback(self, request, response):
        response.results = [self._set([message]) for message in request.parameters]
        return response

    def _set_parameters_atomically_callback(self, request, response):
        response.result = self._set(request.parameters)
        return response

    def _set(self, messages: Sequence[ParameterMessage]) -> SetParametersResult:
        node, reason = self._get_node(), ''
        for name in (message.name for message in messages if not node.has_parameter(message.name)):
            reason = f'expected a parameter of this node, got {name[:100]!r}; see ros2 param list'
        if not reason:
            try:
                given = [Parameter.from_parameter_msg(message) for message in messages]
                return node.set_parameters_atomically(given)
            except Exception as error:  # else who asks waits without end
                reason = f'expected a value of the parameter, got: {error}'
        return SetParametersResult(successful=False, reason=reason)


class ManagedNode(LifecycleNode):
    """
    Start a node as its parameter `autostart` says, and report what its callbacks raise.

    A class of this kind declares `autostart` and decorates its callbacks with `transition`.

    Attributes
    ----------
    reached : str
        What the last successful transition led to; empty before the first.
    keeps_bond : bool
        Whether the bond outlasts a deactivation, because the node makes it itself and is to be
        active again at once.

    """

    _diagnostics: DiagnosticsPublisher

    def __init__(self, name: str, **kwargs):
        super().__init__(name, start_parameter_services=False, **kwargs)
        self._answering = AnsweringParameterService(self)
        self.reached = ''
        self._again: Timer | None = None  # of the autostart
        self._retry, _ = AUTOSTART_RETRY
        self.keeps_bond = False
        self._bond: Bond | None = None

    def declare(
        self, sections: Mapping[str, type], defaults: Mapping[str, Any] | None = None
    ) -> None:
        """
        Declare the parameters of some sections, with some defaults of one's own.

        Raises
        ------
        ConfigError
            One that is given at the start is not allowed; the node is destroyed.

        """
        try:
            declare(self, sections, defaults)
        except ConfigError:
            super().destroy_node()  # not its own one: nothing is made yet that it releases
            raise

    @property
    def problems(self) -> tuple[str, ...]:
        """Return what does not work now, as the diagnostics say it."""
        return tuple(self._diagnostics.stats.now().problems.values())

    def report(self, error: Exception) -> None:
        """Report what a callback raised; the node goes on."""
        self._diagnostics.stats.problem('callback', text_of(error))
        text = ''.join(traceback.format_exception(error))
        self.get_logger().error(f'a callback failed:\n{text}', throttle_duration_sec=1.0)

    def follow_bond(self) -> None:
        """Form the bond that the parameter `bond` asks for in an active node, else end it."""
        if self.reached == ACTIVE and self._bond is None and self._parameters_ask_for_bond():
            from rescene4d_ros.node.optional.bond import bond_of

            self._bond = bond_of(self)
        elif self.reached != ACTIVE and not self.keeps_bond:
            self._end_bond()

    def _parameters_ask_for_bond(self) -> bool:
        return self.has_parameter('bond') and bool(self.get_parameter('bond').value)

    def _end_bond(self) -> None:
        if self._bond is not None:
            self._bond.close()
            self._bond = None

    def destroy_node(self) -> None:
        """End the bond: ^C runs no transition."""
        self._end_bond()
        super().destroy_node()

    def autostart(self, wait: float = 0.0) -> None:
        """
        Configure and activate, later again where that is refused; the log says why it is.

        Each transition is a callback of its own, so that a signal between them is noticed.

        Parameters
        ----------
        wait : float, s
            Before the next transition.

        """
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._again = self.create_timer(wait, self._next_transition, clock=clock)

    def _next_transition(self) -> None:
        self.destroy_timer(self._again)
        self._again = None
        is_configured = self.reached in (CONFIGURED, ACTIVE, INACTIVE)
        if self.reached == ACTIVE:
            return
        done = self.trigger_activate() if is_configured else self.trigger_configure()
        if done != SUCCESS:
            self.autostart(self._retry)
            self._retry = min(2 * self._retry, AUTOSTART_RETRY[1])
        elif not is_configured:
            self.autostart()


def run(
    make_nodes: Callable[[], ManagedNode | Sequence[ManagedNode]], args: list[str] | None = None
) -> int:
    """
    Run managed nodes until ^C or shutdown; what a callback raises is reported, and it goes on.

    Parameters
    ----------
    make_nodes : callable() -> ManagedNode or sequence of them
        The class of the only one, or a function.
    args : list of str, optional
        Command line; default is that of the process.

    Returns
    -------
    int
        Exit status of the process; 2 = a parameter or an argument is wrong.

    """

    def make() -> Sequence[ManagedNode]:
        made = make_nodes()
        nodes = [made] if isinstance(made, ManagedNode) else made
        for node in nodes:
            if node.get_parameter('autostart').value:
                node.autostart()
        return nodes

    try:
        return spin(make, args, on_error=ManagedNode.report)
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
