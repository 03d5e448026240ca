"""The managed node `visit_builder`: live clouds in, one snapshot per visit out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from functools import partial

from rclpy.qos import QoSProfile, ReliabilityPolicy
from rescene4d_ros.config import path_of
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.node.diagnostics import (
    Counts,
    DiagnosticsPublisher,
    NodeStats,
    OK,
    Verdict,
    WARN,
)
from rescene4d_ros.node.managed_node import ACTIVE, CONFIGURED, INACTIVE, ManagedNode, transition
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.parameters import read_sections
from rescene4d_ros.node.ros_process import RequestThread
from rescene4d_ros.node.visit_builder.build_action import BuildAction
from rescene4d_ros.node.visit_builder.dock import Dock
from rescene4d_ros.node.visit_builder.inputs.depth_images import DepthImages
from rescene4d_ros.node.visit_builder.inputs.poses import OdometryPoses, TfPoses
from rescene4d_ros.node.visit_builder.outlets import Outlets, SnapshotOutlet
from rescene4d_ros.node.visit_builder.settings import BuilderNodeConfig, rules_of, SECTIONS
from rescene4d_ros.node.visit_builder.warm_up import warm_up
from rescene4d_ros.node.visit_builder.work import VisitWork
from rescene4d_ros.visit_building.series import VisitSeries
from sensor_msgs.msg import PointCloud2
from std_srvs.srv import Trigger

NODE_NAME = 'visit_builder'


class BuilderDiagnostics(DiagnosticsPublisher):
    """Say how the clouds come and how the visit in the making grows."""

    work: VisitWork | None = None
    series: VisitSeries | None = None

    def entries(self, counts: Counts) -> dict[str, tuple[Verdict, dict]]:
        """Return the entries `clouds` and `visit`."""
        verdict = (WARN, counts.refusal) if counts.refusal else (OK, 'accepting clouds')
        clouds = {
            'received': counts.received,
            'dropped': counts.dropped,
            'refused': counts.refused,
            'held': counts.held,
        }
        work, series = self.work, self.series
        visit = {
            'building': bool(work and work.is_building),
            'keyframes': series.counts.keyframes if series else 0,
            'voxels': series.n_voxels if series else 0,
            'published': counts.stored,
            'waiting for a subscriber': work.n_undelivered if work else 0,
        }
        return {'clouds': (verdict, clouds), 'visit': ((OK, 'building visits'), visit)}


class VisitBuilderNode(ManagedNode):
    """
    Build visits of live clouds and publish each as one snapshot.

    Configured it has settings; active it takes clouds and answers ~/start, ~/finish, ~/pause and
    ~/resume.

    Parameters
    ----------
    snapshots : SnapshotOutlet, optional
        Takes the snapshots; default: the topic.

    """

    _diagnostics: BuilderDiagnostics

    def __init__(self, snapshots: SnapshotOutlet | None = None, **kwargs):
        super().__init__(NODE_NAME, **kwargs)
        self._snapshots = snapshots  # in place of the topic
        self.declare(SECTIONS)
        self._settings: dict | None = None
        self._stats = NodeStats()
        self._diagnostics = BuilderDiagnostics(self, self._stats)
        self._running = ExitStack()

    @transition(CONFIGURED)
    def on_configure(self) -> str:
        """Read and check the settings, and be ready for the first cloud."""
        self._settings = read_sections(self, SECTIONS)
        rules_of(self._settings['node'])
        warm_up()
        return ''

    @transition(ACTIVE)
    def on_activate(self) -> str:
        """Deliver what a killed process left, and listen."""
        if self._settings is None:
            raise ConfigError('expected settings, got none; configure the node first')
        settings = self._settings['node']
        with ExitStack() as running:
            super().on_activate(None)
            running.callback(super().on_deactivate, None)
            source = OdometryPoses if settings.pose_source == 'odometry' else TfPoses
            poses = source(self, settings.map_frame)
            running.callback(poses.close)
            spool = path_of(settings.spool) if settings.spool else None
            series = VisitSeries(
                self._settings['building'], partial(rules_of, settings), settings.map_frame, spool
            )
            topics = (
                interfaces.SNAPSHOTS,
                interfaces.PATH,
                interfaces.LEFT_OUT,
                interfaces.OBSERVED_SPACE,
            )
            publishers = [self.create_publisher(t.type, t.name, t.qos()) for t in topics]
            for publisher in publishers:
                running.callback(self.destroy_publisher, publisher)
            work = VisitWork(
                series,
                poses,
                Outlets(self._snapshots or publishers[0], *publishers[1:]),
                settings,
                self._stats,
                self.get_logger(),
                lambda: self.get_clock().now().nanoseconds,
            )
            running.callback(work.stop)
            self._diagnostics.work, self._diagnostics.series = work, series
            topic = self._listen(work, settings, running)
            self._serve(work, series, settings, running)
            self._running = running.pop_all()
        return f': listening on {topic}'

    def _listen(self, work: VisitWork, settings: BuilderNodeConfig, running: ExitStack) -> str:
        """Subscribe to what the sensor gives; return the name of its topic."""
        qos = QoSProfile(
            depth=settings.waiting_limit,
            reliability=ReliabilityPolicy[settings.clouds_reliability.upper()],
        )
        if settings.input == 'depth':
            depth = (self._settings or {})['depth']
            images = DepthImages(self, depth, qos, work)
            running.callback(images.close)
            return self.resolve_topic_name('depth')
        subscription = self.create_subscription(PointCloud2, 'clouds', work.on_cloud, qos)
        running.callback(self.destroy_subscription, subscription)
        return self.resolve_topic_name('clouds')

    def _serve(
        self, work: VisitWork, series: VisitSeries, settings: BuilderNodeConfig, running: ExitStack
    ) -> None:
        """Answer requests and goals, and hear of the dock."""

        def start(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            response.success, response.message = not work.is_building, 'building a visit'
            work.is_building = True
            return response

        def finish(request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
            response.success, response.message = work.finish()
            return response

        def pause(is_paused: bool, request, response: Trigger.Response) -> Trigger.Response:
            work.is_paused = is_paused
            self._diagnostics.state = 'paused' if is_paused else ACTIVE
            response.success, response.message = True, self._diagnostics.state
            return response

        answers: dict[tuple[type, str], Callable[..., Trigger.Response]] = {
            (Trigger, '~/start'): start,
            (Trigger, '~/finish'): finish,
            (Trigger, interfaces.PAUSE.name): partial(pause, True),
            (Trigger, interfaces.RESUME.name): partial(pause, False),
        }
        requests = RequestThread(self, answers, self.report)
        running.callback(requests.close)
        running.callback(BuildAction(self, work, series, self.report).close)
        if settings.dock_topic:
            dock = Dock(self, settings.dock_topic, settings.dock_type, work.end)
            running.callback(dock.close)

    @transition(INACTIVE)
    def on_deactivate(self) -> str:
        """Stop listening; the visit in the making stays in the spool."""
        self._release()
        return ''

    @transition('unconfigured')
    def on_cleanup(self) -> str:
        """Forget the settings."""
        self._release()
        self._settings = None
        return ''

    @transition('shut down')
    def on_shutdown(self) -> str:
        """Stop from whatever state."""
        self._release()
        return ''

    def destroy_node(self) -> None:
        """Stop: ^C runs no transition."""
        self._release()
        super().destroy_node()

    def _release(self) -> None:
        self._diagnostics.work = self._diagnostics.series = None
        self._running.close()
