"""Provenance of results: command, commit, versions, device, checksum of the data."""

from __future__ import annotations

from collections.abc import Sequence
import hashlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
import platform
import shlex
import subprocess
from typing import Any

from rescene4d_ros import __version__

LIBRARIES = ('numpy', 'scipy', 'torch')


def provenance(command: str, arguments: Sequence[str]) -> dict[str, Any]:
    """
    Return the provenance for a file of results, as JSON values.

    Parameters
    ----------
    command : str
        Of `rescene4d`.
    arguments : sequence of str
        Arguments of the command.

    """
    return {
        'command': shlex.join(['rescene4d', command, *arguments]),
        'version': __version__,
        'commit': git_commit(),
        'libraries': library_versions(),
        'machine': f'{platform.system()} {platform.machine()}',
    }


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of relevant libraries."""
    found = {'python': platform.python_version()}
    for name in LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:  # `score` needs no torch
            continue
    return found


def git_commit() -> str | None:
    """Return the running commit, `-dirty` if files differ; None outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / '.git').exists():  # otherwise the package is installed inside another checkout
        return None
    try:
        return subprocess.run(
            ['git', '-C', str(root), 'describe', '--always', '--dirty'],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def checksum(paths: Sequence[Path]) -> str:
    """Return one SHA-256 of the names and bytes of files."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
