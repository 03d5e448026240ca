"""
Long sequences in several orders, at common prefixes.

A master is a sequence of enough visits. It is evaluated in several orders, and every order at
its first 2, 3, ... visits, so that all lengths have the same population.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
import hashlib
from pathlib import Path

import numpy as np
from rescene4d_ros.data.sequences.sequence_file import (
    read_extras,
    read_sequence,
    room_of,
    write_sequence,
)
from rescene4d_ros.structures import ChangeKind, ObjectState, ScanSequence
from rescene4d_ros.structures.truth import SequenceTruth, TrueObject, VisitTruth


@dataclass(frozen=True)
class Protocol:
    """
    Population of an evaluation.

    Attributes
    ----------
    prefixes : tuple of int
        Numbers of visits that are scored; masters have the last of them.
    orders : tuple of str
        Of `ORDERS`.
    draws : int
        Bootstrap draws of rooms.

    """

    prefixes: tuple[int, ...]
    orders: tuple[str, ...]
    draws: int


PROTOCOLS = {'persist4d-b': Protocol((2, 3, 4, 5), ('canonical', 'reverse', 'shuffle'), 10_000)}


def _by_hash(names: Sequence[str], master: str) -> list[int]:
    """Return an order that depends on the names only, neither theirs nor its reverse."""
    plain = sorted(range(len(names)), key=lambda k: names[k])
    for salt in range(1000):
        digests = [
            hashlib.sha256(f'{master}/{name}/{salt}'.encode()).hexdigest() for name in names
        ]
        order = sorted(range(len(names)), key=lambda k: digests[k])
        if order not in (plain, plain[::-1]):
            return order
    return plain  # fewer than three visits have no other order


ORDERS: dict[str, Callable[[Sequence[str], str], list[int]]] = {
    # By name: in 3RScan that of the metadata, whatever order the windows have.
    'canonical': lambda names, master: sorted(range(len(names)), key=lambda k: names[k]),
    'reverse': lambda names, master: sorted(range(len(names)), key=lambda k: names[k])[::-1],
    'shuffle': _by_hash,
}


def write_units(masters: Sequence[Path], protocol: Protocol, folder: Path) -> tuple[Path, ...]:
    """
    Write each master in each order; files that are there stay.

    Stamps are given anew in the order of the visits. Only masks, ids and states of the truth are
    kept: changes between visits that were no neighbors are unknown.

    Parameters
    ----------
    masters : sequence of Path
        Sequence files with at least as many visits as the longest prefix, which are used.
    protocol : Protocol
    folder : Path

    Returns
    -------
    tuple of Path
        `MASTER~ORDER.npz`.

    """
    folder.mkdir(parents=True, exist_ok=True)
    units = []
    for master in masters:
        for order in protocol.orders:
            path = folder / f'{master.stem}~{order}.npz'
            if not path.exists():
                _write_unit(master, order, protocol.prefixes[-1], path)
            units.append(path)
    return tuple(units)


def _write_unit(master: Path, order: str, visits: int, path: Path) -> None:
    (sequence, truth), extras = read_sequence(master), read_extras(master)
    names = [scan.name or f'{t:03d}' for t, scan in enumerate(sequence.scans[:visits])]
    chosen = ORDERS[order](names, master.stem)
    stamps = sorted(scan.stamp_ns for scan in sequence.scans[:visits])
    scans = tuple(replace(sequence.scans[t], stamp_ns=stamp) for t, stamp in zip(chosen, stamps))
    pieces = None if extras.superpoint is None else [extras.superpoint[t] for t in chosen]
    write_sequence(
        path,
        ScanSequence(scans, path.stem),
        reordered(truth, chosen),
        superpoint=pieces,
        notes={**extras.notes, 'room': room_of(master), 'master': master.stem, 'order': order},
    )


def reordered(truth: SequenceTruth, order: Sequence[int]) -> SequenceTruth:
    """
    Return the truth of some visits in another order, without changes.

    An object is known from the first visit that shows it. Where a visit says nothing of a known
    object, because it was first seen later in the old order, the object is NOT_OBSERVED.

    Parameters
    ----------
    truth : SequenceTruth
    order : sequence of int
        Visits of the truth.

    """
    known: dict[int, TrueObject] = {}
    visits = []
    for t in order:
        visit = truth.visits[t]
        here = {o.instance_id: replace(o, change=ChangeKind.UNKNOWN) for o in visit.objects}
        shown = set(np.unique(visit.instance).tolist())
        for i in known.keys() - here.keys():
            here[i] = replace(known[i], state=ObjectState.NOT_OBSERVED, visible_share=0.0)
        known |= {i: o for i, o in here.items() if i in known or i in shown}
        visits.append(
            VisitTruth(visit.instance, visit.semantic, tuple(known[i] for i in sorted(known)))
        )
    return SequenceTruth(tuple(visits))
