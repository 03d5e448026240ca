"""The action `~/reprocess_visits`: a reprocess with progress, which can be canceled."""

from __future__ import annotations

from collections.abc import Callable
import time

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from rescene4d_ros.action import ReprocessVisits
from rescene4d_ros.errors import RescenError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.node.messages.interfaces import REPROCESS_VISITS
from rescene4d_ros.node.processing_thread import ProcessingThread
from rescene4d_ros.node.ros_process import SideNode

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
    on_error : callable(exception)
        Called with what a callback raised.

    """

    def __init__(
        self,
        node: LifecycleNode,
        memory: SceneMemory,
        processing: Callable[[], ProcessingThread | None],
        on_error: Callable[[Exception], None],
    ):
        self._memory, self._processing, self._on_error = memory, processing, on_error
        executor = MultiThreadedExecutor(THREADS, context=node.context)
        self._side = SideNode(node, 'actions', executor, on_error)
        self._server = ActionServer(
            self._side.node,
            ReprocessVisits,
            REPROCESS_VISITS.replace('~', node.get_fully_qualified_name()),
            self._execute,
            callback_group=ReentrantCallbackGroup(),
            goal_callback=self._may_begin,
            cancel_callback=lambda _: CancelResponse.ACCEPT,
        )
        self._side.start()

    def close(self) -> None:
        """Give up the goal at hand and leave the network."""
        self._side.stop()
        self._server.destroy()
        self._side.node.destroy_node()

    def _may_begin(self, goal: ReprocessVisits.Goal) -> GoalResponse:
        try:
            known = {visit.visit_id for visit in self._memory.visits()} | {0}
        except RescenError as error:  # a callback that raises would leave the goal unanswered
            self._on_error(error)
            return GoalResponse.REJECT
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
            if self._side.is_stopping or self._processing() is not processing:
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
