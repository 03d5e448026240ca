"""Corrections from the viewer, and what they would do, told before."""

from __future__ import annotations

from pathlib import Path

from rescene4d_ros.errors import MemoryFormatError
from rescene4d_ros.memory.editing import correction_messages
from rescene4d_ros.memory.editing.undo import latest_correction
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import ObjectState
from rescene4d_ros.view.browser.knowledge import Knowledge


class Editor:
    """
    Correct a memory; it is open for writing only during a correction.

    Every method raises MemoryLockedError while a node has the memory open.

    Parameters
    ----------
    path : Path
        Folder of the memory.
    url : str or None
        Of its database; None = the one stored in the folder.

    """

    def __init__(self, path: Path, url: str | None):
        self._path, self._url = path, url

    def rename(self, object_id: int, name: str) -> str:
        """Give an object a name; an empty one takes it away."""
        with SceneMemory.edit(self._path, self._url) as memory:
            return correction_messages.rename(memory, object_id, name).text

    def lock(self, object_id: int, is_locked: bool) -> str:
        """Lock an object, so that it is never merged, split or deleted, or unlock it."""
        with SceneMemory.edit(self._path, self._url) as memory:
            return correction_messages.lock(memory, object_id, is_locked).text

    def merge(self, one: int, other: int) -> str:
        """Say that two ids are one object."""
        with SceneMemory.edit(self._path, self._url) as memory:
            return correction_messages.merge(memory, one, other).text

    def split(self, object_id: int, from_visit: int) -> str:
        """Say that from one visit on an id is another object."""
        with SceneMemory.edit(self._path, self._url) as memory:
            return correction_messages.split(memory, object_id, from_visit).text

    def undo(self) -> str:
        """Take back the latest correction."""
        with SceneMemory.edit(self._path, self._url) as memory:
            return correction_messages.undo(memory).text


def undo_preview(memory: SceneMemory) -> str:
    """
    Return what an undo would take back.

    Raises
    ------
    MemoryFormatError
        There is nothing.

    """
    correction = latest_correction(memory)
    if correction is None:
        raise MemoryFormatError(
            f'{memory.path}: expected a correction to undo, found none; correct an object first'
        )
    detail = ', '.join(f'{key} {value}' for key, value in correction['detail'].items())
    return f'Undo takes back "{correction["action"]}": {detail}.'


def merge_preview(knowledge: Knowledge, one: int, other: int) -> str:
    """
    Return what a merge would do: which id stays, and whether visits saw both.

    Raises
    ------
    MemoryFormatError
        One is no object, or both are the same.

    """
    older, younger = sorted((_known(knowledge, one), _known(knowledge, other)))
    if older == younger:
        raise MemoryFormatError(f'expected two objects, but #{one} and #{other} are one already')
    items = [knowledge.contents.objects[i].item for i in (older, younger)]
    names = [item.name or item.class_name for item in items]
    seen = [_present(knowledge, i) for i in (older, younger)]
    text = (
        f'#{younger} {names[1]} ({len(seen[1])} visits) becomes #{older} {names[0]} '
        f'({len(seen[0])} visits).'
    )
    both = sorted(seen[0] & seen[1])
    if both:
        visits = ', '.join(map(str, both))
        text += f' Careful: visits {visits} saw both at once, so they are hardly one object.'
    return text


def split_preview(knowledge: Knowledge, object_id: int, from_visit: int) -> str:
    """
    Return what a split would do: which visits stay, and which go to a new id.

    Raises
    ------
    MemoryFormatError
        There is no such object or visit.

    """
    object_id = _known(knowledge, object_id)
    if from_visit not in knowledge.stamps:
        raise MemoryFormatError(
            f'expected a visit, got {from_visit}; there are: '
            f'{", ".join(map(str, knowledge.stamps))}'
        )
    stamp = knowledge.stamps[from_visit]
    seen = [o.visit_id for o in knowledge.observations.get(object_id, ())]
    stays = [str(v) for v in seen if knowledge.stamps[v] < stamp]
    goes = [str(v) for v in seen if knowledge.stamps[v] >= stamp]
    return (
        f'#{object_id} keeps visits {", ".join(stays) or "none"}; a new object has visits '
        f'{", ".join(goes) or "none"}.'
    )


def _known(knowledge: Knowledge, object_id: int) -> int:
    current = knowledge.current_id(object_id)
    if current not in knowledge.contents.objects:
        raise MemoryFormatError(f'expected the id of an object, got {object_id}; see the list')
    return current


def _present(knowledge: Knowledge, object_id: int) -> set[int]:
    states = knowledge.contents.objects[object_id].item.states
    return {visit_id for visit_id, state in states if state == ObjectState.PRESENT}
