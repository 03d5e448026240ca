"""The viewer in a real browser: slider, search, selection, corrections and undo."""

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

PATIENCE_MS = 600_000  # the machine may be busy, and draws in 3D without a graphics card
PHONE = {'width': 390, 'height': 844}
INPUT = 'input.mantine-TextInput-input:visible'


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


@pytest.mark.parametrize('port', [-1, 65_536])
def test_impossible_port_is_told(port):
    with pytest.raises(ConfigError, match='--port'):
        start_server('127.0.0.1', port, 'home')


@pytest.mark.slow
def test_viewer_answers(served, browser):
    """No error; slider, search, selection from the list, changes, and corrections with undo."""
    viewer, address = served
    page, errors = browser.new_page(viewport={'width': 1440, 'height': 900}), []
    page.set_default_timeout(PATIENCE_MS)
    page.on('console', lambda m: errors.append(m.text) if m.type == 'error' else None)
    page.on('pageerror', lambda e: errors.append(str(e)))
    page.goto(f'http://{address}', timeout=PATIENCE_MS)
    rows = page.locator('button:has-text("#"):visible')
    when = page.locator('.r4-when').first

    def waits_for(locator, text):
        locator.filter(has_text=text).first.wait_for()

    waits_for(when, 'Fri 2026-11-20 11:06')
    waits_for(rows, 'lamp (otherfurniture): gone')
    assert rows.count() == 3
    page.get_by_role('slider').first.press('ArrowLeft')
    waits_for(when, 'Thu 2026-11-19 11:06')
    waits_for(rows, 'lamp (otherfurniture): there')

    page.locator(INPUT).fill('table')
    page.get_by_text('1 objects').wait_for()
    assert rows.count() == 1
    rows.first.click()
    page.locator('.r4-object h3').filter(has_text='table').wait_for()
    page.locator('.r4-history img').first.wait_for()
    page.locator(INPUT).fill('')
    page.get_by_text('3 objects').wait_for()

    page.get_by_role('tab', name='Changes').click()
    rows.filter(has_text='gone').first.click()
    page.locator('.r4-object h3').filter(has_text='lamp').wait_for()
    waits_for(when, 'Fri 2026-11-20 11:06')

    page.get_by_role('tab', name='Correct').click()
    page.locator(INPUT).fill('floor lamp')
    page.get_by_role('button', name='Rename').click()
    page.locator('.r4-object h3').filter(has_text='floor lamp').wait_for()
    page.get_by_role('button', name='Undo').click()
    page.get_by_text('Undo takes back').wait_for()
    page.get_by_text('do it').click()
    page.get_by_text('undone').wait_for()
    page.wait_for_function("!document.body.innerText.includes('floor lamp')")
    assert viewer.session.visit == 2
    page.set_viewport_size(PHONE)
    assert page.evaluate('document.documentElement.scrollWidth') <= PHONE['width']
    assert page.title() != 'taken'
    assert errors == []
