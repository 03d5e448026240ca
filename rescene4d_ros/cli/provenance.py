"""Where results come from: the commit of this checkout, and the bytes of the data."""
from __future__ import annotations

from collections.abc import Sequence
import hashlib
from pathlib import Path
import subprocess


def git_commit() -> str | None:
    """Return the commit that runs, `-dirty` where files differ; None if not in a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / '.git').exists():            # else an installation inside another checkout
        return None
    try:
        return subprocess.run(['git', '-C', str(root), 'describe', '--always', '--dirty'],
                              capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def checksum(paths: Sequence[Path]) -> str:
    """Return one SHA-256 of the names and bytes of some files."""
    total = hashlib.sha256()
    for path in paths:
        total.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()
