"""The viewer in a real browser: slider, search, selection, corrections and undo."""

from dataclasses import replace
import shutil
import time

import numpy as np
import pytest
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.mask_source import GivenMasks
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.structures import GivenInstances, INSTANCE_CLASSES
from rescene4d_ros.view.browser.editing import Editor
from rescene4d_ros.view.browser.session import Compare
from rescene4d_ros.view.browser.viewer_config import ViewerConfig
from rescene4d_ros.view.report.local_time import LocalTime

pytest.importorskip('viser', reason='viser is not installed; the extra `view` brings it')
from rescene4d_ros.view.browser.server import start_server
from rescene4d_ros.view.browser.viewer import Viewer
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

PATIENCE_MS = 600_000  # the machine may be busy, and draws in 3D without a graphics card
DESK, PHONE = {'width': 1440, 'height': 900}, {'width': 390, 'height': 844}
DAY = 86_400 * 10**9
SUNDAY_NS = 1_795_000_000 * 10**9 + 4 * DAY  # two days after the last visit
TABLE = ((1.8, 1.6, 0.0), (0.8, 0.6, 0.7), (40, 80, 150))  # as in the toy memory
ROWS = 'button:has-text("#"):visible'
INPUT = 'input.mantine-TextInput-input:visible'


@pytest.fixture
def served(home, tmp_path):
    """Return a viewer that may edit a copy of the toy memory, and its address."""
    folder = shutil.copytree(home, tmp_path / 'memory')
    with SceneMemory.inspect(folder) as memory:
        server = start_server('127.0.0.1', 0, 'home')
        viewer = Viewer(
            server,
            memory,
            LocalTime.named('UTC'),
            ViewerConfig(points=2000),
            Editor(folder, None),
            now=lambda: SUNDAY_NS,
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


@pytest.fixture
def page(served, browser):
    """Return a window that shows the viewer, and what it reported as an error."""
    _, address = served
    page, errors = browser.new_page(viewport=DESK), []
    page.set_default_timeout(PATIENCE_MS)
    page.on('console', lambda m: errors.append(m.text) if m.type == 'error' else None)
    page.on('pageerror', lambda e: errors.append(str(e)))
    page.goto(f'http://{address}', timeout=PATIENCE_MS)
    drawn(page, 3)
    return page, errors


def drawn(page, number):
    """Wait until a page has drawn a visit with all its points."""
    shown = f'[data-visit="{number}"][data-drawn="coarse fine"]'
    page.locator(shown).first.wait_for(state='attached')


def waits_for(locator, text):
    """Wait until an element has a text."""
    locator.filter(has_text=text).first.wait_for()


def pixel(viewer, point):
    """Return where the only window shows a point of the map, in pixels."""
    (client,) = viewer._server.get_clients().values()
    camera = client.camera
    forward = camera.look_at - camera.position
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, camera.up_direction)
    right = right / np.linalg.norm(right)
    to = np.asarray(point) - camera.position
    depth = to @ forward * np.tan(camera.fov / 2)
    x, y = to @ right / depth, to @ np.cross(right, forward) / depth
    height, width = camera.image_height, camera.image_width
    return (width + x * height) / 2, (1 - y) * height / 2


def test_correction_is_drawn(served, caplog):
    """After a correction all is drawn from what was read again, changes with motions included."""
    viewer, _ = served
    lamp = next(i for i, o in viewer.knowledge.contents.objects.items() if o.item.name == 'lamp')
    viewer.change(selected=lamp)
    viewer.corrections._do(lambda: viewer.corrections._editor.rename(lamp, 'floor lamp'))
    end = time.monotonic() + 60
    while 'floor lamp' not in viewer.corrections._target.content and time.monotonic() < end:
        time.sleep(0.05)
    assert 'floor lamp' in viewer.corrections._target.content
    assert 'could not draw' not in caplog.text


@pytest.mark.slow
def test_viewer_answers(served, page):
    """No error; slider, search, selection from the list, changes, and corrections with undo."""
    (viewer, _), (page, errors) = served, page
    rows, when = page.locator(ROWS), page.locator('.r4-when').first
    waits_for(when, 'Fri 2026-11-20 11:06')
    waits_for(rows, 'lamp (otherfurniture): gone')
    assert rows.count() == 3
    page.get_by_role('slider').first.press('ArrowLeft')
    waits_for(when, 'Thu 2026-11-19 11:06')
    waits_for(rows, 'lamp (otherfurniture): there')

    page.locator(INPUT).fill('table')
    page.get_by_text('1 of 3 objects').wait_for()
    assert rows.count() == 1
    rows.first.click()
    page.locator('.r4-object h3').filter(has_text='table').wait_for()
    page.locator('.r4-history img').first.wait_for()
    page.locator(INPUT).fill('')
    page.get_by_text('3 objects', exact=True).wait_for()

    page.get_by_role('tab', name='Changes').click()
    since = page.get_by_label('Changes since').filter(visible=True)
    for words, count in (('yesterday', '0 of 2 changes'), ('Thursday', '2 changes')):
        since.click()
        page.get_by_role('option', name=words, exact=True).filter(visible=True).click()
        page.get_by_text(count, exact=True).wait_for()
        assert since.input_value() == words
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
    page.locator('.r4-object h3').filter(has_text='lamp').wait_for()  # without a further tap
    assert page.title() != 'taken'
    assert errors == []


@pytest.mark.slow
def test_click_and_keys(served, page):
    """A click on a box opens its page and marks its row; keys step, compare, and only outside."""
    (viewer, _), (page, errors) = served, page
    table = next(p for p in viewer.knowledge.placed_at(2) if p.item.class_name == 'table')
    top = np.add(table.box.center, (0, 0, table.box.size[2] / 2))
    page.mouse.click(*pixel(viewer, top))
    waits_for(page.locator('.r4-object h3'), f'#{table.object_id} table')
    page.locator(f'button[style*="orange"]:has-text("#{table.object_id} ")').wait_for()
    page.keyboard.press('Escape')
    page.locator('.r4-object').wait_for(state='detached')

    page.keyboard.press('p')
    drawn(page, 2)
    page.keyboard.press('n')
    drawn(page, 3)
    page.keyboard.press('b')
    waits_for(page.locator('.r4-note'), 'before: Thu 2026-11-19')
    page.keyboard.press('b')
    page.locator(INPUT).fill('lamb')
    page.locator(INPUT).press('p')
    waits_for(page.locator('.r4-note'), '0 of 3 objects')
    assert (viewer.session.visit, viewer.session.compare) == (2, Compare.NOW)
    page.locator(INPUT).fill('')
    page.get_by_label('Near #').fill(str(table.object_id))
    waits_for(page.locator('.r4-note'), '2 of 3 objects')
    page.locator(INPUT).fill('chair')
    waits_for(page.locator('.r4-note'), '1 of 3 objects')
    page.get_by_role('button', name='Clear filters').filter(visible=True).click()
    page.get_by_text('3 objects', exact=True).wait_for()
    assert (page.locator(INPUT).input_value(), viewer.session.is_narrowed) == ('', False)
    assert errors == []


@pytest.mark.slow
def test_zones_are_drawn_and_narrow_the_lists(served, page):
    """Zones that are written while the page is open appear, as a filter of both lists."""
    (viewer, _), (page, errors) = served, page
    zone = page.get_by_label('Zone', exact=True).filter(visible=True)
    assert zone.count() == 0
    (viewer._memory.path / 'zones.yaml').write_text(
        'corner: {polygon: [[0, 1.8], [1, 1.8], [1, 3], [0, 3]]}\n'
    )
    zone.click()
    page.get_by_role('option', name='corner').filter(visible=True).click()
    page.get_by_text('1 of 3 objects').wait_for()
    waits_for(page.locator(ROWS), 'lamp (otherfurniture): gone')
    page.get_by_role('tab', name='Changes').click()
    page.get_by_text('1 of 2 changes', exact=True).wait_for()
    waits_for(page.locator('.r4-progress'), 'of the floor of corner')
    assert viewer.session.zone == 'corner'
    assert errors == []


@pytest.mark.slow
def test_merge_split_and_lock(served, page):
    """Each says first what it would do, does it, and can be undone."""
    (viewer, _), (page, errors) = served, page
    ids = {o.item.class_name: i for i, o in viewer.knowledge.contents.objects.items()}
    page.locator(ROWS).filter(has_text='table').first.click()
    page.get_by_role('tab', name='Correct').click()
    title = page.locator('.r4-object h3')

    page.get_by_role('button', name='Lock', exact=True).click()
    waits_for(title, '🔒')
    page.get_by_role('button', name='Unlock').click()
    page.get_by_text('is not locked').wait_for()

    page.get_by_label('Merge with #').fill(str(ids['chair']))
    page.get_by_role('button', name='Merge …').click()
    page.get_by_text('saw both at once').wait_for()
    page.get_by_text('cancel').click()
    page.get_by_label('Split from visit').fill('2')
    page.get_by_role('button', name='Split …').click()
    page.get_by_text(f'#{ids["table"]} keeps visits 1; a new object has visits 2, 3').wait_for()
    page.get_by_text('do it').click()
    page.get_by_text(f'from visit 2 on, object {ids["table"]} is object 4').wait_for()
    page.get_by_label('Merge with #').fill('4')
    page.get_by_role('button', name='Merge …').click()
    page.get_by_text(f'#4 table (2 visits) becomes #{ids["table"]} table (1 visits)').wait_for()
    page.get_by_text('do it').click()
    page.get_by_text(f'object 4 is object {ids["table"]} from now on').wait_for()
    for _ in range(2):
        page.get_by_role('button', name='Undo …').click()
        page.get_by_text('Undo takes back').wait_for()
        page.get_by_text('do it').click()
        page.get_by_text('undone').wait_for()
    page.wait_for_function("document.body.innerText.includes('undone')")
    assert {o.item.class_name: i for i, o in viewer.knowledge.contents.objects.items()} == ids
    assert errors == []


@pytest.mark.slow
def test_new_visit_appears(served, page, boxes_room):
    """A visit that a node stores while the page is open is shown there, with what it changed."""
    (viewer, _), (page, errors) = served, page
    masks, newest = GivenMasks(), viewer.knowledge.visits[-1]
    classes = np.array([-1, INSTANCE_CLASSES.index('table')], np.int32)
    scan, box = boxes_room([TABLE], seed=7, density=1500, stamp_ns=newest.stamp_ns + DAY)
    map_id = viewer.knowledge.contents.snapshot.map_id
    with SceneMemory.open(viewer._memory.path, map_id, 'map', masks.class_names) as memory:
        SceneTracker(memory, masks).add_visit(
            replace(scan, given=GivenInstances(box.astype(np.int64), classes[box]))
        )
    waits_for(page.locator('.r4-when').first, 'Sat 2026-11-21 11:06')
    waits_for(page.locator(ROWS), '(chair): gone')
    drawn(page, 4)
    assert errors == []


@pytest.mark.slow
def test_viewer_is_accessible(page, violations):
    """Axe finds nothing in the parts that are ours: texts, lists, pages and pictures."""
    page, _ = page
    found = []
    for tab in ('Objects', 'Changes', 'View'):
        page.get_by_role('tab', name=tab).click()
        if tab == 'Objects':
            page.locator(ROWS).first.click()
            page.locator('.r4-history img').first.wait_for()
        found += violations(page)
    # The landmarks of the page are those of viser.
    ours = [v for v in found if 'r4-' in str(v[2:]) or v[0] == 'color-contrast']
    assert [v for v in ours if v[0] != 'region'] == []
