"""The services that ask the memory and correct it; the same that `rescene4d memory` offers."""

from __future__ import annotations

from collections.abc import Callable
import traceback

from rclpy.lifecycle import LifecycleNode
from rescene4d_ros import msg
from rescene4d_ros.errors import ConfigError, MemoryFormatError, RescenError
from rescene4d_ros.memory import queries
from rescene4d_ros.memory.database import history_queries
from rescene4d_ros.memory.editing import corrections
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.messages.conversions import (
    box_to_msg,
    change_to_msg,
    header_of,
    time_from_msg,
    time_to_msg,
)
from rescene4d_ros.srv import CorrectObject, ObjectHistory, QueryChanges, QueryObjects

BEGINNING_NS = -1  # before every visit


class MemoryServices:
    """
    Answer questions to a memory and take corrections, for as long as the memory is open.

    Everything is answered at once, also while a visit is processed: questions from what is
    stored, and what a correction changes meanwhile the tracker sees before it stores the visit.
    A request that cannot be met is answered with what was expected, what came and what to do.

    Parameters
    ----------
    node : LifecycleNode
    memory : SceneMemory
        Open for writing.
    corrected : callable()
        Told after every correction.

    """

    def __init__(self, node: LifecycleNode, memory: SceneMemory, corrected: Callable[[], None]):
        self._node = node
        self._memory = memory
        self._corrected = corrected
        self._corrections = {
            CorrectObject.Request.RENAME: self._rename,
            CorrectObject.Request.MERGE: self._merge,
            CorrectObject.Request.SPLIT: self._split,
            CorrectObject.Request.LOCK: self._lock,
            CorrectObject.Request.UNLOCK: self._unlock,
            CorrectObject.Request.UNDO: self._undo,
        }
        self._services = [
            node.create_service(entry.type, entry.name, callback)
            for entry, callback in (
                (interfaces.QUERY_OBJECTS, self._query_objects),
                (interfaces.QUERY_CHANGES, self._query_changes),
                (interfaces.OBJECT_HISTORY, self._object_history),
                (interfaces.CORRECT_OBJECT, self._correct_object),
            )
        ]

    def close(self) -> None:
        """Remove the services."""
        for service in self._services:
            self._node.destroy_service(service)
        self._services = []

    def _query_objects(
        self, request: QueryObjects.Request, response: QueryObjects.Response
    ) -> QueryObjects.Response:
        def answer() -> None:
            if request.object_id and request.class_name:
                raise ConfigError(
                    f'expected object_id or class_name, got both '
                    f'({request.object_id}, {request.class_name!r}); leave one out'
                )
            at_ns = self._stamp(request.at, None)
            if request.object_id:
                found = [queries.where_is(self._memory, request.object_id, at_ns)]
            else:
                found = queries.of_class(self._memory, request.class_name or None, at_ns)
            response.objects = [_place_to_msg(place) for place in found]

        return self._asked(answer, response)

    def _query_changes(
        self, request: QueryChanges.Request, response: QueryChanges.Response
    ) -> QueryChanges.Response:
        def answer() -> None:
            after_ns = self._stamp(request.after, BEGINNING_NS)
            until_ns = self._stamp(request.until, history_queries.NANOSECONDS)
            if after_ns > until_ns:
                raise ConfigError(
                    'expected `after` to be before `until`, got the reverse '
                    f'({after_ns} and {until_ns} ns); exchange them'
                )
            response.changes = [
                change_to_msg(change)
                for change in queries.changed_between(self._memory, after_ns, until_ns)
            ]

        return self._asked(answer, response)

    def _object_history(
        self, request: ObjectHistory.Request, response: ObjectHistory.Response
    ) -> ObjectHistory.Response:
        def answer() -> None:
            now = self._memory.known_id(request.object_id)
            response.events = [
                _event_to_msg(event) for event in queries.history_of(self._memory, now)
            ]
            response.object_id = now
            response.name = self._memory.names().get(now, '')
            response.is_locked = now in self._memory.locked()

        return self._asked(answer, response)

    def _correct_object(
        self, request: CorrectObject.Request, response: CorrectObject.Response
    ) -> CorrectObject.Response:
        def correct() -> None:
            if request.kind not in self._corrections:
                raise ConfigError(
                    f'expected a kind from 1 (RENAME) to 6 (UNDO), got '
                    f'{request.kind}; see CorrectObject.srv'
                )
            object_id, response.message = self._corrections[request.kind](request)
            response.object_id = object_id

        self._answered(correct, response)
        if response.success:
            self._node.get_logger().info(f'corrected: {response.message}')
            self._corrected()
        return response

    def _rename(self, request: CorrectObject.Request) -> tuple[int, str]:
        corrections.rename(self._memory, request.object_id, request.name)
        now = self._memory.known_id(request.object_id)
        return now, f'object {now} is called {request.name!r}'

    def _merge(self, request: CorrectObject.Request) -> tuple[int, str]:
        young, old = corrections.merge(self._memory, request.object_id, request.other_id)
        return old, f'object {young} is object {old} from now on'

    def _split(self, request: CorrectObject.Request) -> tuple[int, str]:
        new = corrections.split(self._memory, request.object_id, request.from_visit)
        return new, (
            f'from visit {request.from_visit} on, object {request.object_id} is object {new}'
        )

    def _lock(self, request: CorrectObject.Request) -> tuple[int, str]:
        corrections.lock(self._memory, request.object_id)
        now = self._memory.known_id(request.object_id)
        return now, f'object {now} is locked'

    def _unlock(self, request: CorrectObject.Request) -> tuple[int, str]:
        corrections.lock(self._memory, request.object_id, False)
        now = self._memory.known_id(request.object_id)
        return now, f'object {now} is not locked'

    def _undo(self, request: CorrectObject.Request) -> tuple[int, str]:
        return 0, f'undone: {corrections.undo(self._memory)}'

    def _stamp(self, moment: msg.Moment, not_given: int | None) -> int | None:
        """Return the time that a moment means, ns since the Unix epoch."""
        if moment.kind == msg.Moment.UNKNOWN:
            return not_given
        if moment.kind == msg.Moment.TIME:
            return time_from_msg(moment.time)
        if moment.kind != msg.Moment.VISIT:
            raise ConfigError(
                'expected a moment of kind 0 (not given), 1 (VISIT) or 2 (TIME), '
                f'got {moment.kind}; see Moment.msg'
            )
        stamps = {visit.visit_id: visit.stamp_ns for visit in self._memory.visits()}
        if moment.visit_id not in stamps:
            raise MemoryFormatError(
                f'expected a stored visit, got {moment.visit_id}; there are: '
                f'{", ".join(map(str, stamps)) or "none yet"}'
            )
        return stamps[moment.visit_id]

    def _asked(self, answer: Callable[[], None], response):
        """Fill in the answer to a question, and of which state of the memory it is."""
        with self._memory.mutex:
            self._answered(answer, response)
            response.header = header_of(self._memory.visits(), self._memory.header.frame_id)
        return response

    def _answered(self, answer: Callable[[], None], response) -> None:
        """Fill in what happened; an error is an answer too, for it would end the node."""
        # Nothing may be stored between the several readings of one answer.
        with self._memory.mutex:
            try:
                answer()
                response.success = True
            except RescenError as error:
                response.message = str(error)
            except Exception as error:
                self._node.get_logger().error(f'request failed:\n{traceback.format_exc()}')
                response.message = (
                    f'{type(error).__name__}: {error}; the log of the node says more'
                )
            response.revision = self._memory.header.revision


def _place_to_msg(place: queries.Whereabouts) -> msg.ObjectPlace:
    """Return where an object was as a message."""
    return msg.ObjectPlace(
        object_id=int(place.object_id),
        name=place.name,
        class_name=place.class_name,
        state=int(place.state),
        box=box_to_msg(place.box),
        since=time_to_msg(place.since_ns),
        last_seen=time_to_msg(place.last_seen_ns),
    )


def _event_to_msg(event: queries.Event) -> msg.ObjectEvent:
    """Return what a visit said of an object as a message."""
    message = msg.ObjectEvent(
        visit_id=int(event.visit_id),
        stamp=time_to_msg(event.stamp_ns),
        object_id=int(event.object_id),
        state=int(event.state),
        reason=event.reason,
        changes=[change_to_msg(change) for change in event.changes],
    )
    if event.box is not None:
        message.has_box, message.box = True, box_to_msg(event.box)
    return message
