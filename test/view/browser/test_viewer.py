"""The server of the viewer: who may read through it, and at which port it listens."""

import shutil

import pytest
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.view.browser.editing import Editor
from rescene4d_ros.view.browser.viewer_config import ViewerConfig
from rescene4d_ros.view.report.local_time import LocalTime

pytest.importorskip('viser', reason='viser is not installed; the extra `view` brings it')
from rescene4d_ros.view.browser.server import start_server
from rescene4d_ros.view.browser.viewer import Viewer
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect


@pytest.fixture
def served(home, tmp_path):
    """Return a viewer that may edit a copy of the toy memory, and its address."""
    folder = shutil.copytree(home, tmp_path / 'memory')
    with SceneMemory.inspect(folder) as memory:
        server = start_server('127.0.0.1', 0, 'home')
        viewer = Viewer(
            server, memory, LocalTime.named('UTC'), ViewerConfig(points=2000), Editor(folder, None)
        )
        yield viewer, f'127.0.0.1:{server.get_port()}'
        viewer.close()


def test_other_sites_are_refused(served):
    """A page of another site cannot read the memory through the browser of who looks at it."""
    _, address = served
    version = 'viser-v1.1.1'
    with connect(f'ws://{address}', origin=f'http://{address}', subprotocols=[version]) as socket:
        assert socket.recv(timeout=60)
    with pytest.raises(InvalidStatus, match='403'):
        connect(f'ws://{address}', origin='https://example.org', subprotocols=[version])


def test_taken_port_is_told(served):
    """Another server at the port is no reason to take the next one without a word."""
    _, address = served
    with pytest.raises(ConfigError, match='--port'):
        start_server('127.0.0.1', int(address.rpartition(':')[2]), 'home')
