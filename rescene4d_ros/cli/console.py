"""The console of the commands: names are shown as they are, and a closed pipe ends the command."""

from __future__ import annotations

from typing import NoReturn

from rich.console import Console


class TextConsole(Console):
    """Print tables and text without markup: names of objects and files may look like it."""

    def __init__(self, **settings):
        super().__init__(markup=False, emoji=False, **settings)

    def on_broken_pipe(self) -> NoReturn:
        """Let the command end as for any other output; see `cli/main.py`."""
        raise BrokenPipeError
