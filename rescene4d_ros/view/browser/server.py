"""The web server of the viewer: this machine only unless asked, and no way out to a relay."""

from __future__ import annotations

from functools import partial
import re
import socket
from unittest import mock

from rescene4d_ros.errors import ConfigError
import viser
from websockets.asyncio import server as websocket_server

LOOPBACK = ('127.0.0.1', 'localhost', '::1')
# Pages of other sites may open a socket to this machine; a browser says from where they come.
LOCAL_PAGES = re.compile(r'https?://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?')


class LocalServer(viser.ViserServer):
    """Serve without the relay through which viser shares scenes with the world."""

    def request_share_url(self, verbose: bool = True) -> None:
        """Return None: what a memory shows leaves this machine by no third party."""
        return None


def start_server(host: str, port: int, title: str) -> LocalServer:
    """
    Start a server.

    Parameters
    ----------
    host : str
        Address to listen at. Of this machine only: then pages of other sites are refused.
    port : int
        0 = any free one.
    title : str
        Shown at the top of the panel.

    Raises
    ------
    ConfigError
        The port is taken, or no such address is here.

    """
    _refuse_taken(host, port)
    origins = [LOCAL_PAGES, None] if host in LOOPBACK else None
    serve = partial(websocket_server.serve, origins=origins)
    # viser passes no origins on; it looks its function up once, while it starts.
    with mock.patch.object(websocket_server, 'serve', serve):
        server = LocalServer(host, port, title, verbose=False)
    server.gui.configure_theme(show_logo=False, show_share_button=False, control_width='large')
    server.gui.main_panel.dock_right()
    return server


def _refuse_taken(host: str, port: int) -> None:
    """Raise where a port cannot be had: viser would take the next one without a word."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except (OSError, OverflowError) as error:  # a port above 65535 overflows
        raise ConfigError(
            f'expected to listen at {host}:{port}, got: {_reason(error)}; choose another '
            '--port (0 = any free one) or --host'
        ) from error


def _reason(error: OSError | OverflowError) -> str:
    return getattr(error, 'strerror', None) or str(error)
