"""
Which database servers are connected to because the folder of a memory names them.

A folder may come from somebody else: the server that it names would get the user's password.
"""

from __future__ import annotations

from collections.abc import Iterator
import ipaddress
import os
from pathlib import Path

from rescene4d_ros.errors import ConfigError
from sqlalchemy import URL

TRUSTED = 'RESCENE4D_DATABASE_HOSTS'  # names of hosts, separated by commas


def refuse_foreign(folder: Path, url: URL) -> None:
    """
    Refuse a server that is not on this machine, unless the user trusts it.

    Parameters
    ----------
    folder : path
        Of the memory, for the message.
    url : URL
        What the folder says.

    Raises
    ------
    ConfigError
        A host, or a libpq service, that the variable `RESCENE4D_DATABASE_HOSTS` does not name.

    """
    trusted = {name.strip().lower() for name in os.environ.get(TRUSTED, '').split(',')}
    for host in _hosts(url):
        if not _is_here(host) and host.lower() not in trusted:
            raise ConfigError(
                f'{str(folder)!r}: expected a database on this machine, got the server {host!r} '
                'in database.url; if you know it, give the URL (--url, memory.url) or set '
                f'{TRUSTED}={host}'
            )


def _hosts(url: URL) -> Iterator[str]:
    """Yield what a connection may go to, as libpq reads it."""
    if url.get_backend_name() != 'postgresql':
        return
    named = [url.host or '']
    for key in ('host', 'hostaddr', 'service', 'servicefile'):
        value = url.query.get(key, ())
        for text in (value,) if isinstance(value, str) else value:
            named.append(f'{key}={text}' if key.startswith('service') else text)
    for text in named:
        yield from text.split(',')


def _is_here(host: str) -> bool:
    """Return whether a host is this machine: no name, a socket's folder, or loopback."""
    if not host or host[0] in '/@' or host.lower() == 'localhost':
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
