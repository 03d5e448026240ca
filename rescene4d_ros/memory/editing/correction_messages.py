"""Corrections that say what they did, with the same words in every interface."""

from __future__ import annotations

from dataclasses import dataclass

from rescene4d_ros.memory.editing import corrections
from rescene4d_ros.memory.editing.undo import undo as undo_latest
from rescene4d_ros.memory.store import SceneMemory


@dataclass(frozen=True)
class Corrected:
    """
    Hold what a correction did.

    Attributes
    ----------
    text : str
        One sentence for a person.
    object_id : int
        The object that it left, under the id to use; 0 = none in particular.
    reprocess_from : int or None
        Visit from which a reprocess judges anew what the correction changed.

    """

    text: str
    object_id: int = 0
    reprocess_from: int | None = None


def rename(memory: SceneMemory, object_id: int, name: str) -> Corrected:
    """Give an object a name, or take it away; see `corrections.rename`."""
    corrections.rename(memory, object_id, name)
    now = memory.known_id(object_id)
    return Corrected(
        f'object {now} is called {name!r}' if name else f'object {now} has no name', now
    )


def lock(memory: SceneMemory, object_id: int, is_locked: bool = True) -> Corrected:
    """Lock an object, or unlock it; see `corrections.lock`."""
    corrections.lock(memory, object_id, is_locked)
    now = memory.known_id(object_id)
    return Corrected(f'object {now} is {"" if is_locked else "not "}locked', now)


def merge(memory: SceneMemory, one: int, other: int) -> Corrected:
    """Say that two ids are one object; see `corrections.merge`."""
    alias_id, object_id = corrections.merge(memory, one, other)
    return Corrected(f'object {alias_id} is object {object_id} from now on', object_id)


def split(memory: SceneMemory, object_id: int, from_visit: int) -> Corrected:
    """Say that from one visit on an id is another object; see `corrections.split`."""
    now = memory.known_id(object_id)
    new_id = corrections.split(memory, object_id, from_visit)
    return Corrected(f'from visit {from_visit} on, object {now} is object {new_id}', new_id)


def exclude_visit(memory: SceneMemory, visit_id: int) -> Corrected:
    """Leave a visit out of what is known; see `corrections.exclude_visit`."""
    since = corrections.exclude_visit(memory, visit_id)
    return Corrected(f'visit {visit_id} is excluded', reprocess_from=since)


def include_visit(memory: SceneMemory, visit_id: int) -> Corrected:
    """Take an excluded visit in again; see `corrections.include_visit`."""
    corrections.include_visit(memory, visit_id)
    return Corrected(f'visit {visit_id} is included again')


def undo(memory: SceneMemory) -> Corrected:
    """Take back the latest correction; see `undo.undo`."""
    return Corrected(f'undone: {undo_latest(memory)}')
