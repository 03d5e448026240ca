"""What both managed nodes share: they start by themselves, again where that is refused."""

import time

from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.node.diagnostics import NodeStats
from rescene4d_ros.node.managed_node import ACTIVE, CONFIGURED, ManagedNode, transition
from rescene4d_ros.node.visit_builder.lifecycle_node import BuilderDiagnostics

PATIENCE = 300.0  # s


class RefusedAtFirst(ManagedNode):
    """A node that can neither be configured nor activated at the first attempt."""

    def __init__(self, context):
        silent = Parameter('start_type_description_service', value=False)
        super().__init__('refused_at_first', context=context, parameter_overrides=[silent])
        self._diagnostics = BuilderDiagnostics(self, NodeStats())
        self.attempts = []
        self._retry = 0.05  # s

    @transition(CONFIGURED)
    def on_configure(self):
        """Refuse once."""
        return self._attempt('configure')

    @transition(ACTIVE)
    def on_activate(self):
        """Refuse once."""
        return self._attempt('activate')

    def _attempt(self, name):
        self.attempts.append(name)
        if self.attempts.count(name) == 1:
            raise ConfigError('expected a second attempt')
        return ''


def test_autostart_is_repeated_until_it_succeeds(client):
    """What is refused is tried again from where the node got to, and no more once it is active."""
    context = client.node.context
    node, executor = RefusedAtFirst(context), SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        node.autostart()
        assert node.attempts == []  # a signal may come before each transition
        end = time.monotonic() + PATIENCE
        while node.reached != ACTIVE:
            assert time.monotonic() < end, node.attempts
            executor.spin_once(timeout_sec=0.05)
        assert node.attempts == ['configure', 'configure', 'activate', 'activate']
        assert node._again is None
    finally:
        executor.shutdown()
        node.destroy_node()
