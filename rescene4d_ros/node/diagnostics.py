"""What has happened since the node was configured, and the entries of /diagnostics that say it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
import shutil
from threading import Lock
import time
from types import MappingProxyType

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.lifecycle import LifecycleNode
from rescene4d_ros.errors import RescenError
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.node.parameters import NodeConfig
from rescene4d_ros.scene.tracker import STAGES
from rescene4d_ros.structures import VisitStatus
from std_msgs.msg import Header

DISK_WARNING = 1 << 30  # bytes free
PERIOD = 1.0  # s
BEAT = 0.5  # s; of the heartbeat
# What failed once and is not tried again by itself: over with the next visit that goes well.
UNTIL_A_VISIT = ('callback', 'request')
LONGEST_TEXT = 2000  # characters; names from elsewhere may be of any length
INTAKE_STAGES = ('decode', 'check', 'store')
OK, WARN, ERROR = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR

Verdict = tuple[bytes, str]  # level and message of an entry


def text_of(error: Exception) -> str:
    """Return what happened, for people; of an unexpected error also its type."""
    text = str(error) if isinstance(error, RescenError) else f'{type(error).__name__}: {error}'
    return text if len(text) <= LONGEST_TEXT else f'{text[:LONGEST_TEXT]}...'


@dataclass(frozen=True)
class Counts:
    """
    Hold the counters at one moment.

    Attributes
    ----------
    received, stored, refused, dropped, lost : int
        Clouds that came, visits stored, clouds refused, clouds dropped because too many waited,
        clouds that DDS lost before they were taken.
    held : int
        Clouds that wait in memory, for a transform or for the disk.
    refusal : str
        Why the newest cloud was refused; empty when it was good.
    warnings : tuple of str
        What is implausible about the newest visit.
    processed, failed : int
        Visits done, visits that could not be processed.
    failure : str
        Why the newest processing failed; empty when it went well.
    seconds : float, s
        How long the newest visit took.
    stages : mapping of str to float, s
        How long each stage took when it was entered last.
    revision, objects, visits : int
        Of the memory.
    statuses : mapping of VisitStatus to int
        Number of its visits in each status.
    origin : tuple of 3 float, m
        Of the memory's map.
    problems : mapping of str to str
        What does not work now, by what was being done ('publishing', 'request', ...).
    last_problem : str
        The newest of them, also after it is solved; empty before the first.

    """

    received: int = 0
    stored: int = 0
    refused: int = 0
    dropped: int = 0
    lost: int = 0
    held: int = 0
    refusal: str = ''
    warnings: tuple[str, ...] = ()
    processed: int = 0
    failed: int = 0
    failure: str = ''
    seconds: float = 0.0
    stages: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    revision: int = 0
    objects: int = 0
    visits: int = 0
    origin: tuple[float, float, float] = (0.0, 0.0, 0.0)
    statuses: Mapping[VisitStatus, int] = field(
        default_factory=lambda: MappingProxyType(dict.fromkeys(VisitStatus, 0))
    )
    problems: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    last_problem: str = ''

    @property
    def backlog(self) -> int:
        """Return how many clouds and visits wait for something."""
        return self.held + self.statuses[VisitStatus.PENDING]


class NodeStats:
    """Count what happens in all threads of the node; each call is atomic."""

    def __init__(self):
        self._lock = Lock()
        self._counts = Counts()

    def now(self) -> Counts:
        """Return the counters as they are, consistent in themselves."""
        return self._counts

    def update(self, **values) -> None:
        """Replace values."""
        with self._lock:
            self._counts = replace(self._counts, **values)

    def count(self, name: str, by: int = 1, **values) -> None:
        """Add to a counter, and replace values."""
        with self._lock:
            self._counts = replace(
                self._counts, **{name: getattr(self._counts, name) + by}, **values
            )

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Note how long a stage takes."""
        start = time.perf_counter()
        try:
            yield
        finally:
            took = {name: time.perf_counter() - start}
            with self._lock:
                stages = MappingProxyType({**self._counts.stages, **took})
                self._counts = replace(self._counts, stages=stages)

    def problem(self, doing: str, text: str) -> None:
        """Note what does not work, until it is `solved`."""
        with self._lock:
            self._counts = replace(
                self._counts,
                problems=MappingProxyType({**self._counts.problems, doing: text}),
                last_problem=f'{doing}: {text}',
            )

    def solved(self, *doing: str) -> None:
        """Note that something works again."""
        if not self._counts.problems.keys().isdisjoint(doing):
            with self._lock:
                problems = {k: v for k, v in self._counts.problems.items() if k not in doing}
                self._counts = replace(self._counts, problems=MappingProxyType(problems))


@dataclass(frozen=True)
class ReportedMemory:
    """Name the memory and the weights of which the diagnostics speak."""

    path: Path
    map_id: str
    weights_hash: str


class DiagnosticsPublisher:
    """
    Publish diagnostics and heartbeat for as long as the node exists, whatever its state.

    The timers follow the steady clock, so that a missing /clock is reported too.

    Parameters
    ----------
    node : LifecycleNode
    stats : NodeStats

    Attributes
    ----------
    settings : NodeConfig
    memory : ReportedMemory or None
        None while the node is not configured.
    state : str
        What the node is doing in its life cycle.
    stats : NodeStats
        May be replaced, when the node is configured again.

    """

    def __init__(self, node: LifecycleNode, stats: NodeStats):
        self.settings = NodeConfig()
        self.memory: ReportedMemory | None = None
        self.state = 'unconfigured'
        self.stats = stats
        self._node = node
        self._level = OK  # of the newest diagnostics
        topics = (interfaces.DIAGNOSTICS, interfaces.HEARTBEAT)
        clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._publisher, self._heartbeat = (
            node.create_publisher(topic.type, topic.name, topic.qos()) for topic in topics
        )
        node.create_timer(PERIOD, self.publish, clock=clock)
        node.create_timer(BEAT, self.beat, clock=clock)

    def publish(self) -> None:
        """Publish what is known now."""
        stamp = self._node.get_clock().now()
        has_clock = stamp.nanoseconds > 0
        if not has_clock:
            stamp = Clock(clock_type=ClockType.SYSTEM_TIME).now()
        counts = self.stats.now()
        name = self._node.get_fully_qualified_name().lstrip('/')
        entries = self.entries(counts)
        entries['node'] = node_entry(counts, self.state, has_clock)
        loaded = self.memory.weights_hash if self.memory else ''
        weights = f'weights {loaded}' if loaded else ''
        self._level = max(level for (level, _), _ in entries.values())
        self._publisher.publish(message_of(entries, stamp.to_msg(), name, weights))

    def beat(self) -> None:
        """Publish the state, and the worst level of the diagnostics before."""
        name = self._node.get_fully_qualified_name().lstrip('/')
        self._heartbeat.publish(DiagnosticStatus(level=self._level, name=name, message=self.state))

    def entries(self, counts: Counts) -> dict[str, tuple[Verdict, dict]]:
        """Return what there is to say beside the state of the node."""
        return {
            'scans': scans_entry(counts),
            'inference': inference_entry(counts, self.settings),
            'memory': memory_entry(counts, self.memory),
        }


def scans_entry(counts: Counts) -> tuple[Verdict, dict]:
    """Return how the clouds that come are."""
    verdict = OK, 'accepting visits'
    if counts.warnings:
        verdict = WARN, '; '.join(counts.warnings)
    if counts.refusal:
        verdict = WARN, counts.refusal
    return verdict, {
        'received': counts.received,
        'stored': counts.stored,
        'refused': counts.refused,
        'dropped': counts.dropped,
        'lost by DDS': counts.lost,
        'held': counts.held,
        **_seconds(counts, INTAKE_STAGES),
    }


def inference_entry(counts: Counts, settings: NodeConfig) -> tuple[Verdict, dict]:
    """Return how processing goes."""
    pending = counts.statuses[VisitStatus.PENDING]
    verdict = OK, 'working' if pending else 'idle'
    if counts.seconds > settings.slow_after:
        verdict = (
            WARN,
            f'a visit took {counts.seconds:.1f} s, expected at most {settings.slow_after:.1f} s; '
            'send fewer points, or choose a faster device',
        )
    if counts.backlog >= settings.backlog_warning:
        verdict = (
            WARN,
            f'{counts.backlog} visits wait, expected fewer than {settings.backlog_warning}; send '
            f'clouds less often than every {counts.seconds:.1f} s, or wait',
        )
    if counts.failure:
        verdict = ERROR, counts.failure
    return verdict, {
        'processed': counts.processed,
        'failed': counts.failed,
        'waiting': pending,
        'last visit [s]': f'{counts.seconds:.2f}',
        **_seconds(counts, (*STAGES, 'publish')),
    }


def _seconds(counts: Counts, stages: Sequence[str]) -> dict[str, str]:
    """Return the values that say how long stages took; only of those that were entered."""
    return {f'last {s} [s]': f'{counts.stages[s]:.3f}' for s in stages if s in counts.stages}


def memory_entry(counts: Counts, memory: ReportedMemory | None) -> tuple[Verdict, dict]:
    """Return how the memory and its disk are."""
    late = counts.statuses[VisitStatus.LATE]
    verdict, free = (OK, f'{counts.objects} objects of {counts.visits} visits'), None
    if late:
        verdict = WARN, f'{late} visits came late and are not taken in yet; call ~/reprocess'
    if memory is None:
        verdict = OK, 'none is open'
    else:
        try:
            free = shutil.disk_usage(memory.path).free
        except OSError as error:
            verdict = (
                ERROR,
                f'{memory.path}: expected the folder of the memory, found none '
                f'({error.strerror}); mount or restore it, the node goes on with it then',
            )
        else:
            if free < DISK_WARNING:
                verdict = WARN, f'{free / 2**20:.0f} MiB of disk left; make room'
    return verdict, {
        'map_id': memory.map_id if memory else '',
        'origin [m]': ' '.join(f'{v:.0f}' for v in counts.origin) if any(counts.origin) else '',
        'revision': counts.revision,
        'objects': counts.objects,
        'visits': counts.visits,
        'late visits': late,
        'failed visits': counts.statuses[VisitStatus.FAILED],
        'disk free [MiB]': '' if free is None else free >> 20,
    }


def node_entry(counts: Counts, state: str, has_clock: bool) -> tuple[Verdict, dict]:
    """Return what does not work in the node itself."""
    verdict = OK, state
    if not has_clock:
        verdict = (
            WARN,
            'expected a time on /clock as use_sim_time is set, got none; start the simulator or '
            'the bag with --clock, or unset use_sim_time',
        )
    if counts.problems:
        verdict = ERROR, '; '.join(f'{doing}: {text}' for doing, text in counts.problems.items())
    return verdict, {
        'state': state,
        'problems': len(counts.problems),
        'last problem': counts.last_problem,
    }


def message_of(
    entries: dict[str, tuple[Verdict, dict]], stamp: Time, node_name: str, hardware_id: str
) -> DiagnosticArray:
    """Return the entries as a message, named by the full name of the node."""
    return DiagnosticArray(
        header=Header(stamp=stamp),
        status=[
            DiagnosticStatus(
                level=level,
                name=f'{node_name}: {name}',
                message=text,
                hardware_id=hardware_id,
                values=[KeyValue(key=k, value=str(v)) for k, v in values.items()],
            )
            for name, ((level, text), values) in entries.items()
        ],
    )
