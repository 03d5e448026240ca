"""The managed node `rescene4d`: snapshots in; objects, changes, markers and clouds out."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
import shutil

from rclpy.lifecycle import LifecycleNode, TransitionCallbackReturn
from rclpy.parameter import Parameter
from rescene4d_ros.data.readers.point_cloud2 import scan_from_cloud
from rescene4d_ros.errors import ScanError
from rescene4d_ros.inference.segmenter import Segmenter
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.node import parameters
from rescene4d_ros.node.diagnostics import diagnostics, Tally
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.pipeline import VisitPipeline
from rescene4d_ros.node.results import ResultPublisher
from rescene4d_ros.node.services import MemoryServices
from rescene4d_ros.node.tf import FrameLookup
from rescene4d_ros.node.transitions import logged_transition
from rescene4d_ros.scene import SceneTracker
from rescene4d_ros.srv import Reprocess
from rescene4d_ros.structures import Scan
from sensor_msgs.msg import PointCloud2

SUCCESS = TransitionCallbackReturn.SUCCESS


class Rescene4DNode(LifecycleNode):
    """
    Remember what the snapshots show, and say which object is which and what changed.

    Unconfigured it only has parameters; configured it holds weights, memory and topics; active it
    takes snapshots. Visits are stored and processed in threads of their own, so callbacks return
    quickly.
    """

    def __init__(self, **kwargs):
        super().__init__(interfaces.NODE_NAME, **kwargs)
        parameters.declare(self)
        self.add_post_set_parameters_callback(self._apply_live_settings)
        self._settings: parameters.Settings | None = None
        self._tally = Tally()
        self._pipeline: VisitPipeline | None = None
        self._held = ExitStack()  # what configuring made, released in reverse order
        self._running = ExitStack()  # what activating made

    @logged_transition
    def on_configure(self, state) -> TransitionCallbackReturn:
        """Load the weights, open the memory, make topics and services."""
        self._settings = settings = parameters.read(self)
        self._tally = Tally()
        with ExitStack() as held:
            self._segmenter = Segmenter.load(settings.inference)
            self._memory = held.enter_context(
                SceneMemory.open(
                    Path(settings.memory.path).expanduser(),
                    map_id=settings.memory.map_id,
                    frame_id=settings.node.map_frame,
                    class_names=self._segmenter.class_names,
                    weights_hash=self._segmenter.weights_hash,
                    url=settings.memory.url,
                )
            )
            self._segmenter.keep_features(self._memory.files.derived)
            self._tracker = SceneTracker(
                self._memory,
                self._segmenter,
                settings.tracker,
                settings.association,
                settings.motion,
                settings.changes,
            )
            self._frames = FrameLookup(self, settings.node.map_frame, settings.node.tf_timeout)
            held.callback(self._frames.close)
            self._results = ResultPublisher(self, self._memory, settings.node.marker_points)
            held.callback(self._results.close)
            topic = interfaces.DIAGNOSTICS
            self._diagnostics = self.create_publisher(topic.type, topic.name, topic.qos())
            held.callback(self.destroy_publisher, self._diagnostics)
            held.callback(self.destroy_timer, self.create_timer(1.0, self._publish_diagnostics))
            service = interfaces.REPROCESS
            held.callback(
                self.destroy_service,
                self.create_service(service.type, service.name, self._reprocess),
            )
            services = MemoryServices(self, self._memory, self._show_correction)
            held.callback(services.close)
            self._held = held.pop_all()
        return SUCCESS

    @logged_transition
    def on_activate(self, state) -> TransitionCallbackReturn:
        """Show what is remembered, take up unfinished visits, and listen."""
        with ExitStack() as running:
            super().on_activate(state)
            running.callback(super().on_deactivate, state)
            self._results.publish_remembered()
            self._pipeline = VisitPipeline(
                self._tracker,
                self._memory,
                self._decode,
                self._results.publish,
                self.get_logger(),
                self._tally,
            )
            running.callback(self._stop_pipeline)
            topic, node = interfaces.SNAPSHOTS, self._settings.node
            subscription = self.create_subscription(
                topic.type,
                topic.name,
                self._pipeline.receive,
                topic.qos(node.snapshots_reliability, node.snapshots_depth),
            )
            running.callback(self.destroy_subscription, subscription)
            self._running = running.pop_all()
        return SUCCESS

    @logged_transition
    def on_deactivate(self, state) -> TransitionCallbackReturn:
        """Stop listening, store what came, finish the visit at hand."""
        self._running.close()
        return SUCCESS

    @logged_transition
    def on_cleanup(self, state) -> TransitionCallbackReturn:
        """Close the memory and remove topics and services."""
        self._release()
        return SUCCESS

    @logged_transition
    def on_shutdown(self, state) -> TransitionCallbackReturn:
        """Release everything, from whatever state."""
        self._release()
        return SUCCESS

    @logged_transition
    def on_error(self, state) -> TransitionCallbackReturn:
        """Release everything, so that the node can be configured again."""
        self._release()
        return SUCCESS

    def destroy_node(self) -> None:
        """Release everything: ^C runs no transition."""
        self._release()
        super().destroy_node()

    def autostart(self) -> None:
        """Configure and activate, as far as that succeeds; the log says what hindered it."""
        if self.trigger_configure() == SUCCESS:
            self.trigger_activate()

    def _release(self) -> None:
        self._running.close()
        self._held.close()
        self._segmenter = self._tracker = self._settings = None

    def _stop_pipeline(self) -> None:
        self._pipeline.stop()
        self._pipeline = None

    def _decode(self, message: PointCloud2) -> Scan:
        scan = scan_from_cloud(message)
        if scan.stamp_ns == 0:
            raise ScanError(
                f'{scan.name}: expected header.stamp to be the time of the visit, got zero; set it'
            )
        return self._frames.to_map(scan)

    def _reprocess(
        self, request: Reprocess.Request, response: Reprocess.Response
    ) -> Reprocess.Response:
        response.revision = self._memory.header.revision
        known = {visit.visit_id for visit in self._memory.visits()}
        if self._pipeline is None:
            response.message = 'expected an active node; activate it first'
        elif request.from_visit and request.from_visit not in known:
            response.message = (
                f'expected a stored visit or 0 for the oldest, got '
                f'{request.from_visit}; stored: 1 to {max(known, default=0)}'
            )
        else:
            self._pipeline.reprocess(request.from_visit or None)
            response.accepted = True
            response.message = 'queued; the results come on ~/objects and ~/changes'
        return response

    def _show_correction(self) -> None:
        self._results.publish_remembered()
        if self._pipeline is not None:
            self._pipeline.count()

    def _apply_live_settings(self, changed: list[Parameter]) -> None:
        if self._settings is None:
            return
        self._settings = parameters.read(self)
        self._segmenter.tune(self._settings.inference)
        self._results.marker_points = self._settings.node.marker_points

    def _publish_diagnostics(self) -> None:
        self._diagnostics.publish(
            diagnostics(
                self._tally,
                self.get_clock().now().to_msg(),
                self._settings.node.slow_after,
                f'weights {self._segmenter.weights_hash}',
                self._settings.memory.map_id,
                shutil.disk_usage(self._memory.path).free,
            )
        )
