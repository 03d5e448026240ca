"""The outgoing topics: what they are given after each visit, and at the start."""

from __future__ import annotations

from dataclasses import replace
from threading import Lock

import numpy as np
from rclpy.lifecycle import LifecycleNode
from rescene4d_ros.errors import FileFormatError, StorageError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.node.diagnostics import NodeStats, text_of
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.messages.conversions import (
    changes_to_msg,
    frame_of_results,
    newest_done,
    objects_to_msg,
    segmented_cloud,
)
from rescene4d_ros.node.messages.markers import scene_markers
from rescene4d_ros.node.tf import LocalFrame
from rescene4d_ros.structures import MemorySnapshot, Scan, SceneUpdate, VisitChanges
from rescene4d_ros.tracking.object_ids import resolve_labels

OUTGOING = (interfaces.OBJECTS, interfaces.MARKERS, interfaces.CHANGES, interfaces.SEGMENTED_CLOUD)


class ResultPublisher:
    """
    Publish objects, markers, changes and the segmented cloud.

    Parameters
    ----------
    node : LifecycleNode
        Its publishers send only while it is active.
    memory : SceneMemory
        What is remembered is read from it.
    stats : NodeStats
    marker_points : int
        Largest number of points drawn of one object; may be changed.

    """

    def __init__(
        self, node: LifecycleNode, memory: SceneMemory, stats: NodeStats, marker_points: int
    ):
        self.marker_points = marker_points
        self._node = node
        self._turn = Lock()  # visits are shown by one thread, corrections by another
        self._memory = memory
        self._stats = stats
        self._local_frame: LocalFrame | None = None
        self._publishers = {
            topic: node.create_lifecycle_publisher(topic.type, topic.name, topic.qos())
            for topic in OUTGOING
        }

    def publish(self, update: SceneUpdate) -> None:
        """Publish what a visit brought: its changes, then the scene."""
        self.publish_changes(update)
        self.publish_scene(update)

    def publish_changes(self, update: VisitChanges) -> None:
        """Publish what a visit changed."""
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

    def publish_remembered(self) -> None:
        """Publish the state of the memory: at the start, and after a correction."""
        with self._turn:
            self._publish_newest(self._memory.snapshot())

    def _publish_newest(self, snapshot: MemorySnapshot) -> None:
        """Publish the newest processed visit as it is remembered; objects alone without points."""
        snapshot = replace(snapshot, frame_id=self._frame())
        newest = newest_done(snapshot.visits)
        scan = None if newest is None else self._points_of(newest.visit_id)
        if newest is None or scan is None:
            self._publish_objects(snapshot)
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
        map_frame, origin = self._memory.metadata.frame_id, self._memory.origin
        frame_id = frame_of_results(map_frame, origin)
        if origin is not None and frame_id != map_frame and self._local_frame is None:
            self._local_frame = LocalFrame(self._node, map_frame, frame_id, origin)
        return frame_id

    def _publish_objects(self, snapshot: MemorySnapshot) -> None:
        self._publishers[interfaces.MARKERS].publish(
            scene_markers(snapshot.objects, snapshot.frame_id)
        )
        self._publishers[interfaces.OBJECTS].publish(objects_to_msg(snapshot))

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
        self._publishers[interfaces.MARKERS].publish(
            scene_markers(
                snapshot.objects, snapshot.frame_id, scan, object_ids, self.marker_points
            )
        )
        # Last: who waits for the revision to advance finds everything else published.
        self._publishers[interfaces.OBJECTS].publish(objects_to_msg(snapshot))

    def close(self) -> None:
        """Remove the topics."""
        for publisher in self._publishers.values():
            self._node.destroy_lifecycle_publisher(publisher)
        self._publishers = {}
        if self._local_frame is not None:
            self._local_frame.close()
