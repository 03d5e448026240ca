"""Several memories: `~/list_memories`, and `~/load_memory`, which opens another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from rescene4d_ros.config import path_of
from rescene4d_ros.errors import ConfigError, RescenError
from rescene4d_ros.memory.database.manifest import FILE_NAME, LOCATION
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.node.diagnostics import text_of
from rescene4d_ros.node.managed_node import ACTIVE, AUTOSTART_RETRY, SUCCESS
from rescene4d_ros.node.parameters import MemoryConfig
from rescene4d_ros.srv import ListMemories, LoadMemory

if TYPE_CHECKING:
    from rescene4d_ros.node.lifecycle_node import Rescene4DNode

LONGEST_NAME = 255  # bytes; of a file
LOCATIONS = (FILE_NAME, LOCATION)  # a folder with one of them is a memory


def answer(
    memory: SceneMemory, request: ListMemories.Request, response: ListMemories.Response
) -> None:
    """Fill in the memories beside the one in use."""
    response.current = memory.path.name
    for path in sorted(memory.path.absolute().parent.iterdir()):
        if not is_memory(path):
            continue
        map_id, visits, objects = '', 0, 0
        try:
            if path.name == response.current:
                map_id, visits, objects = facts_of(memory)
            else:
                with SceneMemory.inspect(path) as found:
                    map_id, visits, objects = facts_of(found)
        except RescenError:
            pass  # it is listed without a map, as one that cannot be read
        response.names.append(path.name)
        response.map_ids.append(map_id)
        response.visits.append(visits)
        response.objects.append(objects)


def facts_of(memory: SceneMemory) -> tuple[str, int, int]:
    """Return the map, the number of visits and the number of objects of a memory."""
    with memory.mutex:
        return memory.metadata.map_id, len(memory.visits()), len(memory.records)


def is_memory(path: Path) -> bool:
    """Return whether a folder holds a memory, whatever its state."""
    return path.is_dir() and any((path / name).exists() for name in LOCATIONS)


def wanted_memory(current: MemoryConfig, request: LoadMemory.Request) -> MemoryConfig:
    """
    Return the settings of the memory that a request names.

    Raises
    ------
    ConfigError
        The name is no plain name, or there is no such memory and none is to be made.
    RescenError
        It cannot be read.

    """
    name = request.name
    is_plain = Path(name).name == name and name not in ('', '.', '..')
    if not is_plain or len(name.encode(errors='replace')) > LONGEST_NAME or '\0' in name:
        raise ConfigError(
            f'expected the name of a folder beside the memory in use, got {name[:40]!r}; see '
            '~/list_memories'
        )
    path = path_of(current.path).absolute().parent / name
    if is_memory(path):
        with SceneMemory.inspect(path) as found:
            map_id = request.map_id or found.metadata.map_id
        return replace(current, path=str(path), url='', map_id=map_id, create=False)
    if not request.create or not request.map_id:
        raise ConfigError(
            f'{path}: expected a memory, found none; see ~/list_memories, or set create and map_id'
        )
    return replace(current, path=str(path), url='', map_id=request.map_id, create=True)


def load(
    node: Rescene4DNode, request: LoadMemory.Request, response: LoadMemory.Response
) -> LoadMemory.Response:
    """Answer `~/load_memory`: the other memory is in use, or the one from before again."""
    try:
        before = node.memory_in_use()
        wanted = wanted_memory(before, request)
        is_active = node.keeps_bond = node.reached == ACTIVE
        if is_active:
            node.trigger_deactivate()
        why = _changed(node, wanted, is_active)
        if why:
            # Its folder may be gone meanwhile: nothing is begun anew in its place.
            again = _changed(node, replace(before, create=False), is_active)
            if again and is_active:
                node.autostart(AUTOSTART_RETRY[0])  # until it is back
            raise ConfigError(f'{why}; {again or "the memory from before is in use again"}')
        response.success = True
        response.message = f'{wanted.path} is in use'
    except Exception as error:
        if not isinstance(error, RescenError):
            node.report(error)
        response.message = text_of(error)
    finally:
        node.keeps_bond = False
        node.follow_bond()
    memory = node.open_memory()
    if memory is not None:
        try:
            response.map_id, response.visits, response.objects = facts_of(memory)
            response.revision = memory.metadata.revision
        except RescenError as error:  # such as that of a disk that is not mounted
            response.message = f'{response.message}; {error}'
    return response


def _changed(node: Rescene4DNode, wanted: MemoryConfig, activate: bool) -> str:
    """Open a memory in an inactive node; return why that failed, empty where it did not."""
    node.other_memory = wanted
    node.trigger_cleanup()
    is_done = node.trigger_configure() == SUCCESS
    if is_done and activate:
        is_done = node.trigger_activate() == SUCCESS
    return '' if is_done else '; '.join(node.problems)
