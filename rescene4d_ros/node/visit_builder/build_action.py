"""The action `~/build_visit`: one visit with progress, which can be canceled."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
import time

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.callback_groups import ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSProfile
from rescene4d_ros.action import BuildVisit
from rescene4d_ros.msg import SceneChangeArray
from rescene4d_ros.node.messages.conversions import time_from_msg, time_to_msg
from rescene4d_ros.node.messages.interfaces import BUILD_VISIT, CHANGES, NODE_NAME
from rescene4d_ros.node.ros_process import SideNode
from rescene4d_ros.node.visit_builder.work import VisitWork
from rescene4d_ros.visit_building.builder import BuiltVisit
from rescene4d_ros.visit_building.series import VisitSeries

LOOK = 0.2  # s; between two looks at the progress
THREADS = 2  # one goal at work, and cancels beside it
MOST_PATIENCE = 3600.0  # s; a canceled goal cannot be canceled again while it waits
KEPT = 20  # visits whose number in the memory is kept
STOPPED = 'the node was deactivated; the visit in the making stays in the spool'


class BuildAction:
    """
    Offer the action while the node is active, one goal at a time.

    It has a node and threads of its own, because a goal is at work for as long as its visit.

    Parameters
    ----------
    node : LifecycleNode
        Whose names and remappings count.
    work : VisitWork
    series : VisitSeries
    on_error : callable(exception)
        Called with what a callback raised.

    """

    def __init__(
        self,
        node: LifecycleNode,
        work: VisitWork,
        series: VisitSeries,
        on_error: Callable[[Exception], None],
    ):
        self._work, self._series = work, series
        self._numbers: OrderedDict[int, int] = OrderedDict()  # of visits by their stamp, ns
        self._is_busy = False
        self._node = node
        self._changes = node.create_subscription(
            SceneChangeArray,
            CHANGES.name.replace('~', NODE_NAME),
            self._on_changes,
            QoSProfile(depth=10),
        )
        executor = MultiThreadedExecutor(THREADS, context=node.context)
        self._side = SideNode(node, 'actions', executor, on_error)
        self._server = ActionServer(
            self._side.node,
            BuildVisit,
            BUILD_VISIT.replace('~', node.get_fully_qualified_name()),
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
        self._node.destroy_subscription(self._changes)

    def _on_changes(self, message: SceneChangeArray) -> None:
        if not message.visit_id:  # the map moved
            return
        self._numbers[time_from_msg(message.header.stamp)] = int(message.visit_id)
        while len(self._numbers) > KEPT:
            self._numbers.popitem(last=False)

    def _may_begin(self, goal: BuildVisit.Goal) -> GoalResponse:
        is_good = 0 <= goal.wait_for_memory <= MOST_PATIENCE
        is_good &= not self._is_busy and not self._work.is_paused
        self._is_busy |= is_good
        return GoalResponse.ACCEPT if is_good else GoalResponse.REJECT

    def _execute(self, goal) -> BuildVisit.Result:
        """Follow the visit until it ends, the goal is canceled, or the node stops."""
        try:
            return self._build(goal)
        finally:
            self._is_busy = False

    def _build(self, goal) -> BuildVisit.Result:
        work, before = self._work, self._work.n_ended
        work.is_building = True
        while work.n_ended == before:
            if self._side.is_stopping:
                goal.abort()
                return BuildVisit.Result(message=STOPPED)
            if goal.is_cancel_requested:
                return self._canceled(goal)
            if not work.is_building and work.n_ended == before:  # ended, and nothing is left of it
                goal.abort()
                return BuildVisit.Result(message='expected a visit, nothing was left of it')
            goal.publish_feedback(
                BuildVisit.Feedback(
                    keyframes=int(self._series.counts.keyframes),
                    points=int(self._series.n_voxels),
                    seconds=float(self._series.seconds),
                )
            )
            time.sleep(LOOK)
        work.is_building = work.begins_at_once
        result = self._result(goal, work.ended)
        goal.succeed()
        return result

    def _canceled(self, goal) -> BuildVisit.Result:
        end = self._work.end('its goal was canceled', goal.request.discard_when_canceled)
        while not end.is_done and not self._side.is_stopping:
            time.sleep(LOOK)
        goal.canceled()
        if end.visit is None:
            return BuildVisit.Result(message=end.message or STOPPED)
        return self._result(goal, end.visit)

    def _result(self, goal, visit: BuiltVisit | None) -> BuildVisit.Result:
        """
        Return what there is to say of a visit, with its number once a node reports it.

        A cancel ends the waiting; one that came before only ended the visit.
        """
        if visit is None:
            return BuildVisit.Result()
        was_canceled, patience = goal.is_cancel_requested, goal.request.wait_for_memory
        stamp_ns, end = visit.scan.stamp_ns, time.monotonic() + patience
        while stamp_ns not in self._numbers and time.monotonic() < end:
            if self._side.is_stopping or goal.is_cancel_requested is not was_canceled:
                break
            time.sleep(LOOK)
        return BuildVisit.Result(
            success=True,
            message=visit.reason,
            stamp=time_to_msg(stamp_ns),
            points=len(visit.scan),
            visit_id=self._numbers.get(stamp_ns, 0),
        )
