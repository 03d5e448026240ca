"""The outgoing topics: what they are given after each visit, and at the start."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.lifecycle import LifecycleNode
from rescene4d_ros.errors import FileFormatError, StorageError
from rescene4d_ros.memory.queries import changed_between
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.node.diagnostics import NodeStats, text_of
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.messages.conversions import (
    changes_to_msg,
    frame_of_results,
    map_T_results,
    move_to_msg,
    newest_done,
    objects_to_msg,
    segmented_cloud,
)
from rescene4d_ros.node.messages.scene_markers import MarkerUpdates, NewestVisit
from rescene4d_ros.node.parameters import NodeConfig
from rescene4d_ros.node.tf import LocalFrame
from rescene4d_ros.structures import MemorySnapshot, Scan, SceneUpdate, VisitChanges, VisitInfo
from rescene4d_ros.tracking.object_ids import resolve_labels

if TYPE_CHECKING:
    from rescene4d_ros.node.messages.object_frames import ObjectFrames
    from rescene4d_ros.node.optional.detections import ObjectDetections

OUTGOING = (interfaces.OBJECTS, interfaces.MARKERS, interfaces.CHANGES, interfaces.SEGMENTED_CLOUD)


class ResultPublisher:
    """
    Publish objects, markers, changes and the segmented cloud.

    Parameters
    ----------
    node : LifecycleNode
        Its publishers send only while it is active.
    memory : SceneMemory or None
        As the attribute.
    stats : NodeStats
    settings : NodeConfig

    Attributes
    ----------
    memory : SceneMemory or None
        What is remembered is read from it; None until workers made one of deposited visits.
    marker_points : int
        Largest number of points drawn of one object; may be changed.

    """

    def __init__(
        self,
        node: LifecycleNode,
        memory: SceneMemory | None,
        stats: NodeStats,
        settings: NodeConfig,
    ):
        self.marker_points = settings.marker_points
        self._node = node
        self._turn = Lock()  # visits are shown by one thread, corrections by another
        self.memory = memory
        self._stats = stats
        self._local_frame: LocalFrame | None = None
        self._map_T_memory = None if memory is None else memory.map_T_memory()  # as last told
        self._object_frames: ObjectFrames | None = None
        if settings.object_frames:
            from rescene4d_ros.node.messages.object_frames import ObjectFrames

            self._object_frames = ObjectFrames(node, settings.object_frames)
        self._detections: ObjectDetections | None = None
        if settings.detections:
            from rescene4d_ros.node.optional.detections import ObjectDetections

            self._detections = ObjectDetections(node)
        self._markers = MarkerUpdates(interfaces.MARKERS.depth)
        self._publishers = {
            topic: node.create_lifecycle_publisher(
                topic.type,
                topic.name,
                topic.qos(),
                event_callbacks=PublisherEventCallbacks(matched=self._viewer_joined)
                if topic is interfaces.MARKERS
                else None,
            )
            for topic in OUTGOING
        }

    @property
    def _memory(self) -> SceneMemory:
        """Return the memory; nothing is published before there is one."""
        assert self.memory is not None
        return self.memory

    def publish(self, update: SceneUpdate) -> None:
        """Publish what a visit brought: its changes, then the scene."""
        self.publish_changes(update)
        self.publish_scene(update)

    def publish_changes(self, update: VisitChanges) -> None:
        """Publish what a visit changed."""
        with self._turn:
            self._tell_if_moved()
        self._publishers[interfaces.CHANGES].publish(
            changes_to_msg(update, self._memory.metadata.map_id, self._frame())
        )

    def publish_scene(self, update: SceneUpdate) -> None:
        """Publish the scene as it is after a visit."""
        with self._turn:
            metadata = self._memory.metadata
            if metadata.revision != update.revision:  # ids were corrected since
                self._publish_newest(self._memory.snapshot())
                return
            snapshot = MemorySnapshot(
                metadata.map_id,
                self._frame(),
                update.revision,
                metadata.class_names,
                (update.visit,),
                update.objects,
            )
            self._publish_scene(
                snapshot, update.scan, update.object_ids, update.class_ids, update.scores
            )

    def publish_all(self) -> None:
        """Publish the state of the memory at the start: nothing that was shown before counts."""
        with self._turn:
            self._markers.everything_due()
            self._publish_newest(self._memory.snapshot())

    def publish_remembered(self) -> None:
        """Publish the state of the memory after a correction."""
        with self._turn:
            self._tell_if_moved()
            self._publish_newest(self._memory.snapshot())

    def _tell_if_moved(self) -> None:
        """Publish that the map moved since it was last told, for who follows the changes."""
        known, self._map_T_memory = self._map_T_memory, self._memory.map_T_memory()
        if known is None or np.array_equal(known, self._map_T_memory):
            return
        self._publishers[interfaces.CHANGES].publish(
            move_to_msg(
                self._node.get_clock().now().nanoseconds,
                self._memory.metadata.map_id,
                self._memory.metadata.revision,
                self._frame(),
            )
        )

    def _publish_newest(self, snapshot: MemorySnapshot) -> None:
        """Publish the newest processed visit as it is remembered; objects alone without points."""
        snapshot = replace(snapshot, frame_id=self._frame())
        newest = newest_done(snapshot.visits)
        scan = None if newest is None else self._points_of(newest.visit_id)
        if newest is None or scan is None:
            self._publish_markers(snapshot, self._drawn(newest))
            self._publishers[interfaces.OBJECTS].publish(objects_to_msg(snapshot))
            return
        object_ids = resolve_labels(self._memory.labels(newest.visit_id), dict(snapshot.aliases))
        class_of = {item.object_id: item.class_id for item in snapshot.objects}
        score_of = {item.object_id: item.score for item in snapshot.objects}
        ids, inverse = np.unique(object_ids, return_inverse=True)
        class_ids = np.array([class_of.get(i, -1) for i in ids.tolist()], np.int32)[inverse]
        scores = np.array([score_of.get(i, 0.0) for i in ids.tolist()], np.float32)[inverse]
        self._publish_scene(snapshot, scan, object_ids, class_ids, scores)

    def _points_of(self, visit_id: int) -> Scan | None:
        """Return the points of a visit; None where they are lost, which is no reason to stop."""
        try:
            scan = self._memory.scan(visit_id)
        except (FileFormatError, StorageError) as error:
            self._stats.problem(f'points of visit {visit_id}', text_of(error))
            self._node.get_logger().error(
                f'without points of visit {visit_id}: {error}', throttle_duration_sec=10.0
            )
            return None
        self._stats.solved(f'points of visit {visit_id}')
        return scan

    def _frame(self) -> str:
        """Return the frame of what is published; TF gets it where it is not the map frame."""
        map_frame, frame_id = self._memory.metadata.frame_id, frame_of_results(self._memory)
        if frame_id != map_frame or self._local_frame is not None:
            if self._local_frame is None:
                self._local_frame = LocalFrame(self._node, map_frame, f'{map_frame}_local')
            self._local_frame.tell(map_T_results(self._memory))
        return frame_id

    def _drawn(
        self,
        visit: VisitInfo | None,
        scan: Scan | None = None,
        object_ids: np.ndarray | None = None,
    ) -> NewestVisit:
        """Return what the markers show of a visit."""
        if visit is None:
            return NewestVisit()
        changes = changed_between(self._memory, visit.stamp_ns - 1, visit.stamp_ns)
        return NewestVisit(visit.stamp_ns, changes, scan, object_ids)

    def _publish_markers(self, snapshot: MemorySnapshot, newest: NewestVisit) -> None:
        if self._object_frames is not None:
            self._object_frames.tell(snapshot.objects, snapshot.frame_id)
        if self._detections is not None:
            self._detections.publish(snapshot)
        message = self._markers.update(
            snapshot.objects, snapshot.frame_id, newest, self.marker_points
        )
        if message.markers:
            self._publishers[interfaces.MARKERS].publish(message)

    def _viewer_joined(self, event: object) -> None:
        """Send a new viewer the complete picture; what the topic keeps may be differences."""
        if getattr(event, 'current_count_change', 0) <= 0:
            return
        with self._turn:
            if interfaces.MARKERS in self._publishers and self._markers.is_begun:
                self._publishers[interfaces.MARKERS].publish(self._markers.complete())

    def _publish_scene(
        self,
        snapshot: MemorySnapshot,
        scan: Scan,
        object_ids: np.ndarray,
        class_ids: np.ndarray,
        scores: np.ndarray,
    ) -> None:
        self._publishers[interfaces.SEGMENTED_CLOUD].publish(
            segmented_cloud(scan, object_ids, class_ids, scores, snapshot.frame_id)
        )
        newest = newest_done(snapshot.visits)
        self._publish_markers(snapshot, self._drawn(newest, scan, object_ids))
        # Last: who waits for the revision to advance finds everything else published.
        self._publishers[interfaces.OBJECTS].publish(objects_to_msg(snapshot))

    def close(self) -> None:
        """Remove the topics."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers = {}
        for optional in (self._object_frames, self._detections):
            if optional is not None:
                optional.close()
        if self._local_frame is not None:
            self._local_frame.close()
