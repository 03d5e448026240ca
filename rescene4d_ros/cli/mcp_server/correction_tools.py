"""Tools that correct a memory; each call is one transaction with an entry in the journal."""

from __future__ import annotations

from pathlib import Path

from mcp.server.mcpserver.tools import Tool
from mcp_types import ToolAnnotations
from rescene4d_ros.cli.mcp_server.query_tools import opened, strict_tool
from rescene4d_ros.memory.editing import correction_messages

WRITING = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)


class CorrectionTools:
    """
    Correct a memory for an assistant; refused while a node has it open.

    Parameters
    ----------
    path : Path
        Folder of the memory.
    url : str or None
        Of its database; None = the one stored in the folder.

    """

    def __init__(self, path: Path, url: str | None):
        self._path, self._url = path, url

    def rename_object(self, object_id: int, name: str) -> str:
        """Give an object a name; an empty one takes it away."""
        with opened(self._path, self._url, to_edit=True) as memory:
            return correction_messages.rename(memory, object_id, name).text

    def merge_objects(self, one: int, other: int) -> str:
        """Say that two ids are one object: the younger becomes an alias of the older."""
        with opened(self._path, self._url, to_edit=True) as memory:
            return correction_messages.merge(memory, one, other).text

    def split_object(self, object_id: int, from_visit: int) -> str:
        """Say that from one visit on an id is another object, which gets a new id."""
        with opened(self._path, self._url, to_edit=True) as memory:
            return correction_messages.split(memory, object_id, from_visit).text

    def lock_object(self, object_id: int, is_locked: bool = True) -> str:
        """Lock an object, so that it is never merged, split or deleted, or unlock it."""
        with opened(self._path, self._url, to_edit=True) as memory:
            return correction_messages.lock(memory, object_id, is_locked).text

    def undo_correction(self) -> str:
        """Undo the latest correction of an object."""
        with opened(self._path, self._url, to_edit=True) as memory:
            return correction_messages.undo(memory).text


def correction_tools(path: Path, url: str | None) -> list[Tool]:
    """Return the tools that write; see `CorrectionTools`."""
    tools = CorrectionTools(path, url)
    functions = (
        tools.rename_object,
        tools.merge_objects,
        tools.split_object,
        tools.lock_object,
        tools.undo_correction,
    )
    return [strict_tool(function, WRITING) for function in functions]
