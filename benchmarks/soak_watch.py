"""Those who watch the soak: one looks into the memory from outside, one is the robot."""

from __future__ import annotations

from pathlib import Path
import threading
import time
from typing import Any

from lifecycle_msgs.srv import ChangeState
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rescene4d_ros.errors import RescenError
from rescene4d_ros.memory.database.memory_metadata import Metadata
from rescene4d_ros.memory.editing.reapply_splits import standing_splits
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.srv import CorrectObject, ObjectHistory, QueryChanges, QueryObjects, Reprocess
from rescene4d_ros.structures import VisitStatus

PATIENCE = 60.0  # s; until a cloud is sent again, and until a request is asked again


class Ledger:
    """Look into the memory from outside, and keep what must never be lost."""

    def __init__(self, path: Path):
        self._path = path
        self.stored: dict[int, int] = {}  # stamp in ns -> visit id
        self.seen: set[int] = set()  # ids that were ever known
        self.gone: set[int] = set()  # of these, neither objects nor aliases when last looked
        self.lost_visits: set[int] = set()
        self.reused_ids: dict[int, str] = {}  # id -> what was seen
        self._next_object_id = 0

    def look(self) -> dict[int, VisitStatus]:
        """Return the status of each visit by stamp; empty while the memory cannot be read."""
        try:
            with SceneMemory.inspect(self._path) as memory:
                metadata, snapshot = memory.metadata, memory.snapshot()
                # A reprocess may join what was split, and the next one parts it again.
                parted = {split.new_id for split in standing_splits(memory)}
        except (RescenError, OSError):
            return {}
        stamps = {v.stamp_ns: v.visit_id for v in snapshot.visits}
        self.lost_visits |= {v for s, v in self.stored.items() if stamps.get(s) != v}
        self.stored |= stamps
        if metadata.revision == snapshot.revision:  # else something was stored between the two
            known = {o.object_id for o in snapshot.objects} | {a for a, _ in snapshot.aliases}
            self._look_at_ids(known, parted, metadata)
        return {v.stamp_ns: v.status for v in snapshot.visits}

    def _look_at_ids(self, known: set[int], parted: set[int], metadata: Metadata) -> None:
        """Compare the ids of one state of the memory with those of before."""
        when, next_id = f'at revision {metadata.revision}', metadata.next_object_id
        for i in (known & self.gone) - parted:
            self.reused_ids[i] = f'gone before, known again {when}'
        for i in known:
            if i >= next_id:
                self.reused_ids[i] = f'known, and to be given {when}'
        if next_id < self._next_object_id:
            self.reused_ids[next_id] = f'to be given again {when}'
        self._next_object_id = next_id
        self.seen |= known
        self.gone = self.seen - known


class Robot:
    """Publish clouds, change states, and call services from many threads."""

    def __init__(self, seed: int, n_threads: int):
        rclpy.init()
        self.node = rclpy.create_node('soak')
        topic = interfaces.SNAPSHOTS
        self._publisher = self.node.create_publisher(topic.type, topic.name, topic.qos())
        self._state = self.node.create_client(ChangeState, '/rescene4d/change_state')
        self.counts = dict.fromkeys(
            ('asked', 'answered', 'refused', 'unanswered', 'not offered'), 0
        )
        self._lock = threading.Lock()
        self.epoch = 0  # counts kills and cleanups, which no answer survives
        self.is_up = threading.Event()
        self._ending = False
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._threads = [threading.Thread(target=self._spin, daemon=True)]
        self._threads += [
            threading.Thread(target=self._call_services, args=(seed + k,), daemon=True)
            for k in range(n_threads)
        ]
        for thread in self._threads:
            thread.start()

    def _spin(self) -> None:
        while not self._ending:
            self._executor.spin_once(timeout_sec=0.1)

    def publish(self, message) -> None:
        """Publish a cloud as soon as somebody listens."""
        end = time.monotonic() + 10.0
        while not self._publisher.get_subscription_count() and time.monotonic() < end:
            time.sleep(0.05)
        self._publisher.publish(message)

    def is_ready(self) -> bool:
        """Return whether the node listens."""
        return self._publisher.get_subscription_count() > 0

    def transition(self, number: int) -> bool:
        """Ask for a transition; False when it was refused or had no answer."""
        request = ChangeState.Request()
        request.transition.id = number
        answer = self._answer(self._state, request, PATIENCE)
        return answer is not None and answer.success

    def _answer(self, client, request, timeout: float):
        if not client.wait_for_service(timeout):
            return None
        future, done = client.call_async(request), threading.Event()
        future.add_done_callback(lambda _: done.set())
        return future.result() if done.wait(timeout) else None

    def _call_services(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        clients = {
            kind: self.node.create_client(kind, f'/rescene4d/{name}')
            for kind, name in (
                (QueryObjects, 'query_objects'),
                (QueryChanges, 'query_changes'),
                (ObjectHistory, 'object_history'),
                (CorrectObject, 'correct_object'),
                (Reprocess, 'reprocess'),
            )
        }
        kinds = [QueryObjects] * 4 + [QueryChanges] * 2 + [ObjectHistory] * 3 + [CorrectObject] * 3
        while not self._ending:
            time.sleep(rng.uniform(0.2, 1.5))
            if not self.is_up.wait(0.5):
                continue
            kind = Reprocess if rng.random() < 0.005 else kinds[rng.integers(len(kinds))]
            epoch = self.epoch
            request = self._request(rng, kind)
            answer = self._answer(clients[kind], request, PATIENCE)
            if answer is None:  # a killed service is in the network for a while
                answer = self._answer(clients[kind], request, PATIENCE)
            if answer is None and (epoch != self.epoch or not clients[kind].service_is_ready()):
                with self._lock:
                    self.counts['not offered'] += 1  # killed, cleaned up or not configured
                continue
            with self._lock:
                self.counts['asked'] += 1
                if answer is None:
                    self.counts['unanswered'] += 1
                else:
                    good = answer.accepted if kind is Reprocess else answer.success
                    self.counts['answered' if good else 'refused'] += 1

    def _request(self, rng: np.random.Generator, kind: Any) -> Any:
        number = int(rng.integers(0, 12))
        if kind is QueryObjects:
            return kind.Request(object_id=number if rng.random() < 0.5 else 0)
        if kind is ObjectHistory:
            return kind.Request(object_id=number)
        if kind is CorrectObject:
            # Not EXCLUDE_VISIT: what is excluded is not processed, and all must be.
            return kind.Request(
                kind=int(rng.choice([0, 1, 1, 2, 3, 4, 5, 5, 5, 6, 9])),
                object_id=number,
                other_id=int(rng.integers(0, 12)),
                from_visit=int(rng.integers(0, 40)),
                name='x' * int(rng.choice([0, 10, 199, 100_000])),
            )
        return kind.Request()

    def close(self) -> None:
        """Stop all threads."""
        self._ending = True
        for thread in self._threads:
            thread.join()
        self.node.destroy_node()
        rclpy.try_shutdown()
