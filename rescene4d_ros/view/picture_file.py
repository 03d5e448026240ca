"""Pictures of matplotlib as files: whole, or not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TYPE_CHECKING

from rescene4d_ros.atomic_write import atomic_write
from rescene4d_ros.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DEFAULT = 'png'


def write_figure(figure: Figure, path: Path, **options: Any) -> None:
    """
    Write a picture; what was under its name before stays until it is complete.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    path : Path
        Its ending says the format; without one it is PNG. The folder exists.
    **options
        Of `Figure.savefig`.

    Raises
    ------
    ConfigError
        No picture has this ending.
    OSError
        The disk refused.

    """
    kind = path.suffix[1:].lower() or DEFAULT
    known = figure.canvas.get_supported_filetypes()
    if kind not in known:
        raise ConfigError(
            f'{path}: expected the name of a picture, got the ending .{kind}; choose one of '
            + ', '.join(sorted(known))
        )
    with atomic_write(path) as file:
        figure.savefig(file, format=kind, **options)
