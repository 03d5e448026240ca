"""The managed node `rescene4d`: snapshots in; objects, changes, markers and clouds out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, TYPE_CHECKING

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.parameter import Parameter
from rescene4d_ros.config import path_of
from rescene4d_ros.data.readers.columns import with_origin
from rescene4d_ros.data.readers.point_cloud2 import scan_from_cloud
from rescene4d_ros.errors import ConfigError, ScanError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.node import parameters
from rescene4d_ros.node.diagnostics import DiagnosticsPublisher, NodeStats, ReportedMemory
from rescene4d_ros.node.intake import Intake, WhileNotFull
from rescene4d_ros.node.managed_node import ACTIVE, CONFIGURED, INACTIVE, ManagedNode, transition
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.processing_thread import count_memory, ProcessingThread
from rescene4d_ros.node.results import ResultPublisher
from rescene4d_ros.node.services import MemoryServices, request_module
from rescene4d_ros.node.tf import FrameLookup
from rescene4d_ros.plausibility.check import check_scan, checked_scan, in_memory_frame
from rescene4d_ros.scene.mask_source import load_masks, MaskProvider, tracker_for
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.scene.visit_window import RememberedSurface
from rescene4d_ros.structures import Scan, VisitInfo
from rescene4d_ros.structures.scan import check_not_future
from sensor_msgs.msg import PointCloud2

if TYPE_CHECKING:
    from rescene4d_ros.node.deposits.deposit_mode import DepositMode
    from rescene4d_ros.node.messages.observed_space import ObservedSpaces
    from rescene4d_ros.node.optional.detections import Detections

VisitSteps = tuple[
    Callable[[Scan, bool], Scan], Callable[[Scan], VisitInfo], Callable[[], None]
]  # prepare, store and stored of the `Intake`
NOT_CONFIGURED = 'expected a configured node, got one without settings; configure it first'


class Rescene4DNode(ManagedNode):
    """
    Remember what the snapshots show, and say which object is which and what changed.

    Unconfigured it only has parameters and diagnostics; configured it holds weights, memory and
    topics; active it takes snapshots. Visits are stored and processed, and requests answered, in
    threads of their own, so callbacks return quickly. What fails is reported in the diagnostics.

    Parameters
    ----------
    defaults : mapping, optional
        Defaults of parameters that differ from those of the settings.

    """

    def __init__(self, defaults: Mapping[str, Any] | None = None, **kwargs):
        super().__init__(interfaces.NODE_NAME, **kwargs)
        self.declare(parameters.SECTIONS, defaults)
        self.add_post_set_parameters_callback(self._apply_live_settings)
        self._settings: parameters.Settings | None = None
        self._segmenter: MaskProvider | None = None
        self._tracker: SceneTracker | None = None
        self._deposits: DepositMode | None = None  # where a fleet processes the visits
        self._spaces: ObservedSpaces | None = None  # where the parameter asks for them
        self._stats = NodeStats()
        self._diagnostics = DiagnosticsPublisher(self, self._stats)
        self._processing: ProcessingThread | None = None
        self._intake: Intake | None = None
        self.other_memory: parameters.MemoryConfig | None = None  # of ~/load_memory
        if self.get_parameter('corrections').value:
            entry = interfaces.LOAD_MEMORY
            self.create_service(entry.type, entry.name, self._load_memory)
        self._held = ExitStack()  # what configuring made, released in reverse order
        self._running = ExitStack()  # what activating made

    @transition(CONFIGURED)
    def on_configure(self) -> str:
        """Load the weights, open the memory, make topics and services."""
        settings = self._read_settings()
        path_of(settings.node.report_folder)  # refused now, not after a visit
        self._stats = self._diagnostics.stats = NodeStats()
        if settings.fleet.url:
            return self._configure_deposits(settings)
        with ExitStack() as held:
            segmenter = load_masks(settings.inference)
            self._memory = held.enter_context(
                SceneMemory.open(
                    path_of(settings.memory.path),
                    map_id=settings.memory.map_id,
                    frame_id=settings.node.map_frame,
                    class_names=segmenter.class_names,
                    weights_hash=segmenter.weights_hash,
                    url=settings.memory.url,
                    create=settings.memory.create,
                )
            )
            segmenter.keep_features(self._memory.files.derived)
            self._tracker = SceneTracker(
                self._memory,
                segmenter,
                tracker_for(settings.tracker, settings.inference.source),
                settings.association,
                settings.motion,
                settings.changes,
                watch=self._stats.stage,
            )
            self._surface = RememberedSurface(self._memory)
            self._frames = FrameLookup(self, settings.node)
            held.callback(self._frames.close)
            self._detections: Detections | None = None
            if settings.inference.source == 'given':
                from rescene4d_ros.node.optional.detections import Detections

                self._detections = Detections(self, self._frames)
                held.callback(self._detections.close)
            self._listen_to_spaces(settings.node, held)
            self._results = ResultPublisher(self, self._memory, self._stats, settings.node)
            held.callback(self._results.close)
            services = MemoryServices(
                self,
                self._memory,
                self._stats,
                self._show_correction,
                self._reprocess,
                self._pause,
                settings.node.corrections,
            )
            held.callback(services.close)
            if settings.node.corrections:
                held.callback(self._offer_reprocess_action().close)
            count_memory(self._memory, self._stats)
            self._segmenter, self._settings = segmenter, settings
            self._held = held.pop_all()
        self._diagnostics.settings = settings.node
        self._diagnostics.memory = ReportedMemory(
            self._memory.path, settings.memory.map_id, segmenter.weights_hash or ''
        )
        now = self._stats.now()
        weights = segmenter.weights_hash
        masks = (
            f'weights {weights} on {segmenter.device_name}'
            if weights
            else f'source of instances: {settings.inference.source}'
        )
        return (
            f': {masks}, memory '
            f'{self._memory.path} with {now.objects} objects of {now.visits} visits, revision '
            f'{now.revision}'
        )

    def _configure_deposits(self, settings: parameters.Settings) -> str:
        """Open spool and database of a fleet, in place of weights and memory."""
        from rescene4d_ros.node.deposits.deposit_mode import DepositMode

        with ExitStack() as held:
            self._frames = FrameLookup(self, settings.node)
            held.callback(self._frames.close)
            self._listen_to_spaces(settings.node, held)
            self._results = ResultPublisher(self, None, self._stats, settings.node)
            held.callback(self._results.close)
            deposits = held.enter_context(DepositMode(self, settings, self._results, self._stats))
            self._deposits, self._settings = deposits, settings
            self._held = held.pop_all()
        self._diagnostics.settings = settings.node
        self._diagnostics.memory = ReportedMemory(deposits.folder, settings.memory.map_id, '')
        return f': visits of map {settings.memory.map_id} are deposited by {deposits.folder}'

    def _listen_to_spaces(self, settings: parameters.NodeConfig, held: ExitStack) -> None:
        self._spaces = None
        if settings.observed_space:
            from rescene4d_ros.node.messages.observed_space import ObservedSpaces

            self._spaces = ObservedSpaces(self, self._frames)
            held.callback(self._spaces.close)

    def _in_map(self, scan: Scan, is_last_try: bool) -> Scan:
        """Return a scan in the map frame, with the path of the sensor where it is known."""
        scan = self._frames.to_map(scan, is_last_try)
        return scan if self._spaces is None else self._spaces.added(scan, is_last_try)

    @transition(ACTIVE)
    def on_activate(self) -> str:
        """Show what is remembered, take up unfinished visits, and listen."""
        if self._settings is None:
            raise ConfigError(NOT_CONFIGURED)
        with ExitStack() as running:
            super().on_activate(None)
            running.callback(super().on_deactivate, None)
            node, log = self._node_settings, self.get_logger()
            prepare, store, stored = self._start_work(running, self._settings)
            intake = Intake(self._decode, prepare, store, stored, node, self._stats, log)
            running.callback(self._forget_intake)
            self._intake = intake
            topic = interfaces.SNAPSHOTS
            subscription = self.create_subscription(
                topic.type,
                topic.name,
                intake.on_message,
                topic.qos(node.snapshots_reliability, node.snapshots_depth),
                callback_group=WhileNotFull(intake) if node.intake_when_full == 'wait' else None,
                event_callbacks=SubscriptionEventCallbacks(
                    message_lost=lambda event: intake.lost(event.total_count_change)
                ),
            )
            running.callback(self.destroy_subscription, subscription)
            self._running = running.pop_all()
        return (
            f': listening on {self.resolve_topic_name(topic.name)} '
            f'({node.snapshots_reliability}), {self._stats.now().backlog} visits wait'
        )

    def _start_work(self, running: ExitStack, settings: parameters.Settings) -> VisitSteps:
        """Start what processes or deposits visits; return what the intake does with a cloud."""
        deposits = self._deposits
        if deposits is not None:
            deposits.start()
            running.callback(deposits.stop)
            return (
                lambda scan, is_last: deposits.checked(self._in_map(scan, is_last)),
                deposits.store,
                deposits.stored,
            )
        if self._tracker is None:
            raise ConfigError(NOT_CONFIGURED)
        self._results.publish_all()
        self._processing = ProcessingThread(
            self._tracker,
            self._memory,
            self._results,
            settings.node,
            settings.retention,
            self._stats,
            self.get_logger(),
        )
        running.callback(self._stop_processing)
        return self._prepare, self._memory.add_visit, self._processing.wake

    @transition(INACTIVE)
    def on_deactivate(self) -> str:
        """Stop listening, store what came, finish the visit at hand."""
        self._running.close()
        return ''

    @transition('unconfigured')
    def on_cleanup(self) -> str:
        """Close the memory and remove topics and services."""
        self._release()
        return ''

    @transition('shut down')
    def on_shutdown(self) -> str:
        """Release everything, from whatever state."""
        self._release()
        return ''

    @transition('unconfigured after an error')
    def on_error(self) -> str:
        """Release everything, so that the node can be configured again."""
        self._release()
        return ''

    def destroy_node(self) -> None:
        """Release everything: ^C runs no transition."""
        self._release()
        super().destroy_node()

    def _release(self) -> None:
        self._running.close()
        self._held.close()
        self._segmenter = self._tracker = self._deposits = None
        self._settings = self._diagnostics.memory = None

    @property
    def _node_settings(self) -> parameters.NodeConfig:
        """Return the settings of the configured node as they are now."""
        if self._settings is None:
            raise ConfigError(NOT_CONFIGURED)
        return self._settings.node

    def _stop_processing(self) -> None:
        if self._processing is not None:
            self._processing.stop()
        self._processing = None

    def _forget_intake(self) -> None:
        if self._intake is not None:
            self._intake.stop()
        self._intake = None

    def _read_settings(self) -> parameters.Settings:
        """Return the parameters' values, and the memory that was loaded instead of theirs."""
        settings = parameters.read(self)
        other = self.other_memory
        return settings if other is None else replace(settings, memory=other)

    def _load_memory(self, request, response):
        """Answer ~/load_memory in the thread of the transitions that it makes."""
        return request_module('memories').load(self, request, response)

    def memory_in_use(self) -> parameters.MemoryConfig:
        """Return which memory is in use; raises ConfigError where none is."""
        if self._settings is None:
            raise ConfigError(NOT_CONFIGURED)
        if self._deposits is not None:
            raise ConfigError(
                'expected a memory of this node, got visits that are deposited (fleet.url); the '
                'memories belong to the workers'
            )
        return self._settings.memory

    @property
    def intake(self) -> Intake | None:
        """Return what takes snapshots; None while the node is not active."""
        return self._intake

    def open_memory(self) -> SceneMemory | None:
        """Return the memory that is open; None where none is."""
        return None if self._tracker is None else self._memory

    def _pause(self, is_paused: bool) -> bool:
        """Stop taking snapshots, or go on; False while the node is not active."""
        if self._intake is None:
            return False
        self._intake.is_paused = is_paused
        self._diagnostics.state = 'paused' if is_paused else ACTIVE
        if not is_paused:
            self._stats.update(refusal='')
        return True

    def _offer_reprocess_action(self):
        """Return the server of the action ~/reprocess_visits."""
        from rescene4d_ros.node.requests.reprocess_action import ReprocessAction

        return ReprocessAction(self, self._memory, lambda: self._processing, self.report)

    def _reprocess(self, from_visit: int) -> bool | None:
        processing = self._processing
        return None if processing is None else processing.reprocess(from_visit)

    def _decode(self, message: PointCloud2) -> Scan:
        scan = scan_from_cloud(message)
        if scan.stamp_ns == 0:
            raise ScanError(
                f'{scan.name}: expected header.stamp to be the time of the visit, got zero; set it'
            )
        now_ns = self.get_clock().now().nanoseconds
        check_not_future(scan.stamp_ns, now_ns, self._node_settings.max_future)
        return scan

    def _prepare(self, scan: Scan, is_last_try: bool) -> Scan:
        """Return a scan in the map frame, checked against what is remembered there."""
        scan, mode = self._in_map(scan, is_last_try), self._node_settings.plausibility
        if self._detections is not None:
            scan = self._detections.added(scan, is_last_try)
        if self._memory.origin is not None:
            scan = with_origin(scan, self._memory.origin)
        scan = in_memory_frame(scan, self._memory.map_T_memory())
        if mode == 'off':
            return scan
        reference = self._surface.reference(scan)
        found = check_scan(scan, reference, register=mode == 'register')
        register = mode == 'register' and found.reference_T_scan is not None
        if mode != 'warn':
            accepted = frozenset({'registration'} if register else ())
            remedy = 'set the parameter plausibility to warn to take such clouds'
            found.require(scan.name, accepted, remedy)
        return checked_scan(scan, found, register)

    def _show_correction(self) -> None:
        self._results.publish_remembered()
        count_memory(self._memory, self._stats)
        if self._processing is not None:
            self._processing.wake()  # a visit may wait now that did not count before

    def _apply_live_settings(self, changed: list[Parameter]) -> None:
        if self._settings is None:
            return
        self._settings = self._read_settings()
        if self._segmenter is not None:
            self._segmenter.tune(self._settings.inference)
        self._results.marker_points = self._settings.node.marker_points
        self._diagnostics.settings = self._settings.node
