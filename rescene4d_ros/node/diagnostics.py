"""Three diagnostics entries: what came in, how processing goes, what is remembered."""

from __future__ import annotations

from dataclasses import dataclass, field

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rescene4d_ros.structures import VisitStatus
from std_msgs.msg import Header

DISK_WARNING = 1 << 30  # bytes free


@dataclass
class Tally:
    """
    Count what happened since the node was configured; written by one thread each.

    Attributes
    ----------
    received, stored, refused : int
        Messages that came, visits stored, messages refused.
    refusal : str
        Why the newest message was refused; empty when it was good.
    processed, failed : int
        Visits done, visits that could not be processed.
    failure : str
        Why the newest processing failed; empty when it went well.
    seconds : float, s
        How long the newest visit took.
    revision, objects, visits : int
        Of the memory.
    statuses : dict of VisitStatus to int
        Number of its visits in each status.

    """

    received: int = 0
    stored: int = 0
    refused: int = 0
    refusal: str = ''
    processed: int = 0
    failed: int = 0
    failure: str = ''
    seconds: float = 0.0
    revision: int = 0
    objects: int = 0
    visits: int = 0
    statuses: dict[VisitStatus, int] = field(default_factory=lambda: dict.fromkeys(VisitStatus, 0))


def diagnostics(
    tally: Tally, stamp: Time, slow_after: float, hardware_id: str, map_id: str, disk_free: int
) -> DiagnosticArray:
    """
    Say how the node is in the terms of /diagnostics.

    Parameters
    ----------
    tally : Tally
    stamp : Time
        Now.
    slow_after : float, s
        Duration of a visit from which to warn.
    hardware_id : str
        Which weights are in use.
    map_id : str
    disk_free : int, bytes
        Where the memory is.

    """
    ok, warn, error = DiagnosticStatus.OK, DiagnosticStatus.WARN, DiagnosticStatus.ERROR
    waiting, late = tally.statuses[VisitStatus.PENDING], tally.statuses[VisitStatus.LATE]
    scans = (warn, tally.refusal) if tally.refusal else (ok, 'accepting visits')
    inference = (ok, 'working' if waiting else 'idle')
    if tally.seconds > slow_after:
        inference = (
            warn,
            f'a visit took {tally.seconds:.1f} s, expected at most {slow_after:.1f} s',
        )
    if tally.failure:
        inference = (error, tally.failure)
    memory = (ok, f'{tally.objects} objects of {tally.visits} visits')
    if late:
        memory = (warn, f'{late} visits came late and are not taken in yet; call ~/reprocess')
    if disk_free < DISK_WARNING:
        memory = (warn, f'{disk_free / 2**20:.0f} MiB of disk left; make room')
    entries = (
        (
            'scans',
            scans,
            {'received': tally.received, 'stored': tally.stored, 'refused': tally.refused},
        ),
        (
            'inference',
            inference,
            {
                'processed': tally.processed,
                'failed': tally.failed,
                'waiting': waiting,
                'last visit [s]': f'{tally.seconds:.2f}',
            },
        ),
        (
            'memory',
            memory,
            {
                'map_id': map_id,
                'revision': tally.revision,
                'objects': tally.objects,
                'visits': tally.visits,
                'late visits': late,
                'failed visits': tally.statuses[VisitStatus.FAILED],
                'disk free [MiB]': disk_free >> 20,
            },
        ),
    )
    return DiagnosticArray(
        header=Header(stamp=stamp),
        status=[
            DiagnosticStatus(
                level=level,
                name=f'rescene4d: {name}',
                message=text,
                hardware_id=hardware_id,
                values=[KeyValue(key=k, value=str(v)) for k, v in values.items()],
            )
            for name, (level, text), values in entries
        ],
    )
