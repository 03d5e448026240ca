"""The action `~/reprocess_visits`: a reprocess with progress, which can be canceled."""

from __future__ import annotations

from collections.abc import Callable
from threading import Thread
import time

import rclpy
from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import ExternalShutdownException, MultiThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from rclpy.parameter import Parameter
from rescene4d_ros.action import ReprocessVisits
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.node.messages.interfaces import REPROCESS_VISITS
from rescene4d_ros.node.processing_thread import ProcessingThread

LOOK = 0.2  # s; between two looks at the progress
THREADS = 2  # one goal at work, and cancels beside it


class ReprocessAction:
    """
    Offer the action for as long as the memory is open.

    It has a node and threads of its own, because a goal is at work for as long as its visits take.

    Parameters
    ----------
    node : LifecycleNode
        Whose names and remappings count.
    memory : SceneMemory
    processing : callable() -> ProcessingThread or None
        None while the node is not active: goals are rejected then.

    """

    def __init__(
        self,
        node: LifecycleNode,
        memory: SceneMemory,
        processing: Callable[[], ProcessingThread | None],
    ):
        self._memory, self._processing = memory, processing
        self._stopping = False
        self._node = rclpy.create_node(
            f'_{node.get_name()}_actions',
            context=node.context,
            namespace=node.get_namespace(),
            use_global_arguments=False,
            enable_rosout=False,
            start_parameter_services=False,
            parameter_overrides=[Parameter('start_type_description_service', value=False)],
        )
        self._server = ActionServer(
            self._node,
            ReprocessVisits,
            REPROCESS_VISITS.replace('~', node.get_fully_qualified_name()),
            self._execute,
            callback_group=ReentrantCallbackGroup(),
            goal_callback=self._may_begin,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
        )
        self._executor = MultiThreadedExecutor(THREADS, context=node.context)
        self._executor.add_node(self._node)
        self._thread = Thread(target=self._run, name='actions', daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Give up the goal at hand and leave the network."""
        self._stopping = True
        self._thread.join()
        self._executor.shutdown()
        self._server.destroy()
        self._node.destroy_node()

    def _run(self) -> None:
        while not self._stopping and self._node.context.ok():
            try:
                self._executor.spin_once(timeout_sec=LOOK)
            except ExternalShutdownException:
                return

    def _may_begin(self, goal: ReprocessVisits.Goal) -> GoalResponse:
        known = {visit.visit_id for visit in self._memory.visits()} | {0}
        is_good = self._processing() is not None and goal.from_visit in known
        return GoalResponse.ACCEPT if is_good else GoalResponse.REJECT

    def _execute(self, goal) -> ReprocessVisits.Result:
        """Follow the reprocess until it is done, canceled, or the node stops."""
        processing = self._processing()
        if processing is None:
            goal.abort()
            return self._result('expected an active node; activate it first')
        processing.reprocess(goal.request.from_visit)
        ticket, told = processing.ticket, None
        while processing.answered < ticket:
            if self._stopping or self._processing() is not processing:
                goal.abort()
                return self._result('the node was deactivated; the memory is as before')
            if goal.is_cancel_requested:
                processing.cancel_reprocess()
                goal.canceled()
                return self._result('canceled; the memory is as before')
            if processing.progress != told:
                told = processing.progress
                done, total = told
                goal.publish_feedback(ReprocessVisits.Feedback(done=int(done), total=int(total)))
            time.sleep(LOOK)
        if processing.failure:
            goal.abort()
            return self._result(processing.failure)
        goal.succeed()
        return self._result('', True)

    def _result(self, why: str, success: bool = False) -> ReprocessVisits.Result:
        revision = int(self._memory.metadata.revision)
        return ReprocessVisits.Result(success=success, message=why, revision=revision)
