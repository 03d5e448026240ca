"""The services that ask the memory and correct it, answered in a thread of their own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from importlib import import_module
import json
import time
import traceback
from types import ModuleType
from typing import TYPE_CHECKING, TypeVar

from rclpy.lifecycle import LifecycleNode
from rescene4d_ros import msg
from rescene4d_ros.errors import (
    ConfigError,
    MemoryDamagedError,
    MemoryFormatError,
    RescenError,
    StorageError,
)
from rescene4d_ros.memory import queries
from rescene4d_ros.memory.database import history_queries
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.node.diagnostics import NodeStats, text_of
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.messages.conversions import (
    change_to_msg,
    event_to_msg,
    frame_of_results,
    header_of,
    time_from_msg,
)
from rescene4d_ros.node.ros_process import RequestThread
from rescene4d_ros.srv import (
    AskMemory,
    CorrectObject,
    MoveMap,
    ObjectHistory,
    QueryChanges,
    QueryObjects,
    Reprocess,
)
from std_srvs.srv import Trigger

if TYPE_CHECKING:
    from rescene4d_ros.memory.editing.correction_messages import Corrected

T = TypeVar('T')
BEGINNING_NS = -1  # before every visit
TEXT_LIMIT = 200  # characters of a name or class in a request
KINDS = CorrectObject.Request
REQUESTS = 'rescene4d_ros.node.requests'
LATER = {
    interfaces.APPROACH_OBJECT: 'approach',
    interfaces.KEEP_OUT_SHAPES: 'keep_out',
    interfaces.CHANGE_GRID: 'change_grid',
}


class MemoryServices:
    """
    Answer questions to a memory and take corrections, for as long as the memory is open.

    Requests are answered one after the other in a thread with a node of its own, so that a long
    correction holds up neither transforms nor clouds nor diagnostics. Questions are answered from
    what is stored, also while a visit is processed; what a correction changes meanwhile the
    tracker sees before it stores the visit. A request that cannot be met is answered with what
    was expected, what came and what to do.

    Parameters
    ----------
    node : LifecycleNode
        Its name stands in front of the services' names.
    memory : SceneMemory
        Open for writing.
    stats : NodeStats
    corrected : callable()
        Called after every correction.
    reprocess : callable(int) -> bool or None
        Queues visits to be processed anew and returns whether that joined an earlier request;
        returns None while the node is not active.
    pause : callable(bool) -> bool
        Stops taking snapshots or goes on; returns False while the node is not active.
    may_correct : bool
        Whether services that change the memory, or what is stored, are offered.

    """

    def __init__(
        self,
        node: LifecycleNode,
        memory: SceneMemory,
        stats: NodeStats,
        corrected: Callable[[], None],
        reprocess: Callable[[int], bool | None],
        pause: Callable[[bool], bool],
        may_correct: bool,
    ):
        self._log = node.get_logger()
        self._memory, self._stats = memory, stats
        self._corrected, self._reprocess, self._node_pauses = corrected, reprocess, pause
        callbacks: dict[interfaces.ServiceEntry, Callable] = {
            interfaces.QUERY_OBJECTS: self._query_objects,
            interfaces.QUERY_CHANGES: self._query_changes,
            interfaces.OBJECT_HISTORY: self._object_history,
            interfaces.ASK_MEMORY: self._ask_memory,
            **{entry: partial(self._answered_by, module) for entry, module in LATER.items()},
            # Without the mutex: other memories are read, which may take long.
            interfaces.LIST_MEMORIES: partial(self._answered_by, 'memories', is_one_reading=False),
            interfaces.SAVE: self._save,
        }
        if may_correct:
            callbacks |= {
                interfaces.CORRECT_OBJECT: self._correct_object,
                interfaces.REPROCESS: self._reprocess_visits,
                interfaces.MOVE_MAP: self._move_map,
                interfaces.PAUSE: partial(self._pause, True),
                interfaces.RESUME: partial(self._pause, False),
            }
        self._requests = RequestThread(
            node, {(e.type, e.name): c for e, c in callbacks.items()}, self._failed
        )

    def close(self) -> None:
        """Answer the request at hand, then remove the services."""
        self._requests.close()

    def _failed(self, error: Exception) -> None:
        self._stats.problem('request', text_of(error))
        self._log.error(f'request failed: {text_of(error)}', throttle_duration_sec=1.0)

    def _reprocess_visits(
        self, request: Reprocess.Request, response: Reprocess.Response
    ) -> Reprocess.Response:
        def ask() -> None:
            known = [visit.visit_id for visit in self._memory.visits()]
            if request.from_visit and request.from_visit not in known:
                raise MemoryFormatError(
                    f'expected a stored visit or 0 for the oldest, got {request.from_visit}; '
                    f'stored: 1 to {max(known, default=0)}'
                )
            joined = self._reprocess(request.from_visit)
            if joined is None:
                raise ConfigError('expected an active node; activate it first')
            response.message = 'joined the request that waits' if joined else 'queued'
            response.message += '; the results come on ~/objects and ~/changes'

        return self._answered(ask, request, response)

    def _query_objects(
        self, request: QueryObjects.Request, response: QueryObjects.Response
    ) -> QueryObjects.Response:
        def answer() -> None:
            at_ns = self._stamp(request.at, None)
            request_module('places').answer(self._memory, request, response, at_ns)

        return self._answered(answer, request, response)

    def _answered_by(self, module: str, request, response, is_one_reading: bool = True):
        """Answer by a module that is imported when the first such request arrives."""
        return self._answered(
            lambda: request_module(module).answer(self._memory, request, response),
            request,
            response,
            is_one_reading,
        )

    def _move_map(self, request: MoveMap.Request, response: MoveMap.Response) -> MoveMap.Response:
        self._answered_by('map_motion', request, response)
        if response.success:
            self._show_corrected(response.message)
        return response

    def _pause(self, is_paused: bool, request, response: Trigger.Response) -> Trigger.Response:
        def answer() -> None:
            if not self._node_pauses(is_paused):
                raise ConfigError('expected an active node; activate it first')
            response.message = 'paused' if is_paused else 'taking snapshots'

        return self._answered(answer, request, response)

    def _save(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        def answer() -> None:
            if self._memory.database.url.get_backend_name() == 'sqlite':  # a server does it
                self._memory.database.checkpoint()
            response.message = (
                f'{self._memory.path}: revision {self._memory.metadata.revision} is in its files, '
                f'{len(self._memory.pending())} stored visits wait for processing'
            )

        return self._answered(answer, request, response)

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

        return self._answered(answer, request, response)

    def _object_history(
        self, request: ObjectHistory.Request, response: ObjectHistory.Response
    ) -> ObjectHistory.Response:
        def answer() -> None:
            now = self._memory.known_id(request.object_id)
            response.events = [
                event_to_msg(event) for event in queries.history_of(self._memory, now)
            ]
            response.object_id = now
            response.name = self._memory.names().get(now, '')
            response.is_locked = now in self._memory.locked()

        return self._answered(answer, request, response)

    def _ask_memory(
        self, request: AskMemory.Request, response: AskMemory.Response
    ) -> AskMemory.Response:
        def answer() -> None:
            if not request.question.strip():
                raise ConfigError(
                    'expected a question such as "where is the red chair?", got none; ask one'
                )
            from rescene4d_ros.questions.answer import answer_document
            from rescene4d_ros.questions.asking import ask, zone_of

            zone = zone_of(request.time_zone or 'UTC')
            found = ask(self._memory, request.question, time.time_ns(), zone)
            response.answer, response.outcome = found.text, found.outcome.value
            response.object_ids = [fact.object_id for fact in found.objects]
            response.facts = json.dumps(answer_document(found))

        return self._answered(answer, request, response)

    def _correct_object(
        self, request: CorrectObject.Request, response: CorrectObject.Response
    ) -> CorrectObject.Response:
        def correct() -> None:
            done = correct_as_asked(self._memory, request)
            response.object_id, response.message = done.object_id, done.text
            if done.reprocess_from is not None:
                self._reprocess(done.reprocess_from)

        self._answered(correct, request, response)
        if response.success:
            self._show_corrected(response.message)
        return response

    def _show_corrected(self, text: str) -> None:
        """Have what was corrected published."""
        self._log.info(f'corrected: {text}')
        try:
            self._corrected()
        except Exception as error:  # it is stored all the same
            self._failed(error)

    def _stamp(self, moment: msg.Moment, not_given: T) -> int | T:
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

    def _answered(
        self, answer: Callable[[], None], request, response, is_one_reading: bool = True
    ):
        """Fill in what happened; an error is an answer too."""
        is_good, why, revision = False, '', self._memory.metadata.revision
        succeeded = 'accepted' if hasattr(response, 'accepted') else 'success'
        try:
            _check_texts(request)
            # Nothing may be stored between the several readings of one answer.
            with self._memory.mutex if is_one_reading else nullcontext():
                if hasattr(response, 'header'):
                    frame_id = frame_of_results(self._memory)
                    response.header = header_of(self._memory.visits(), frame_id)
                answer()
                revision = self._memory.metadata.revision
            is_good = True
            self._stats.solved('request')
        except RescenError as error:
            why = str(error)
            if isinstance(error, (MemoryDamagedError, StorageError)):  # not the client's mistake
                self._failed(error)
        except Exception as error:
            why = f'{text_of(error)}; the log of the node says more'
            self._failed(error)
            self._log.error(traceback.format_exc())
        said: dict[str, object] = {succeeded: is_good, 'revision': revision}
        if why:
            said['message'] = why
        for field, value in said.items():
            if hasattr(response, field):  # those of standard types have fewer
                setattr(response, field, value)
        if why and not hasattr(response, 'message'):
            self._log.warning(f'request refused: {why}')
        return response


def correct_as_asked(memory: SceneMemory, request: CorrectObject.Request) -> Corrected:
    """
    Correct a memory as a request says.

    Raises
    ------
    ConfigError
        There is no such kind of correction.
    RescenError
        See `memory.editing.corrections`.

    """
    from rescene4d_ros.memory.editing import correction_messages

    match request.kind:
        case KINDS.RENAME:
            return correction_messages.rename(memory, request.object_id, request.name)
        case KINDS.MERGE:
            return correction_messages.merge(memory, request.object_id, request.other_id)
        case KINDS.SPLIT:
            return correction_messages.split(memory, request.object_id, request.from_visit)
        case KINDS.LOCK | KINDS.UNLOCK:
            is_locked = request.kind == KINDS.LOCK
            return correction_messages.lock(memory, request.object_id, is_locked)
        case KINDS.UNDO:
            return correction_messages.undo(memory)
        case KINDS.EXCLUDE_VISIT:
            return correction_messages.exclude_visit(memory, request.visit_id)
        case KINDS.INCLUDE_VISIT:
            return correction_messages.include_visit(memory, request.visit_id)
    raise ConfigError(
        f'expected a kind from 1 (RENAME) to 8 (INCLUDE_VISIT), got {request.kind}; '
        'see CorrectObject.srv'
    )


def request_module(name: str) -> ModuleType:
    """Return a module of `node/requests/`; a visit needs none of them."""
    return import_module(f'{REQUESTS}.{name}')


def _check_texts(request) -> None:
    """Refuse texts that nobody would call something; questions have a limit of their own."""
    for field, kind in request.get_fields_and_field_types().items():
        length = len(getattr(request, field)) if kind == 'string' and field != 'question' else 0
        if length > TEXT_LIMIT:
            raise ConfigError(
                f'expected at most {TEXT_LIMIT} characters of {field}, got {length}; shorten it'
            )
