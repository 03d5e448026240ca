"""The page in a real browser: it opens from a file, without network, and answers."""

import pytest
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.view.report.local_time import LocalTime
from rescene4d_ros.view.report.page import ReportConfig, write_report

pytestmark = pytest.mark.slow
PATIENCE_MS = 600_000  # the machine may be busy, and draws in 3D without a graphics card


@pytest.fixture
def report(home, tmp_path):
    """Return a report with few points."""
    path = tmp_path / 'report.html'
    with SceneMemory.inspect(home) as memory:
        small = ReportConfig(points=1000, pictures=2)
        write_report(memory, path, None, 1_796_000_000 * 10**9, LocalTime.named('UTC'), small)
    return path


def test_report_opens_without_network_and_answers(browser, report):
    """No error, no request; search, order, moments and places work; a phone needs no scrolling."""
    context = browser.new_context(viewport={'width': 1440, 'height': 900}, offline=True)
    context.set_default_timeout(PATIENCE_MS)
    page, errors, requests = context.new_page(), [], []
    page.on('console', lambda m: errors.append(m.text) if m.type == 'error' else None)
    page.on('pageerror', lambda e: errors.append(str(e)))
    page.on('request', lambda r: requests.append(r.url))
    page.goto(report.as_uri(), timeout=PATIENCE_MS)
    page.wait_for_selector('body[data-ready=true]')
    assert errors == []
    assert [r for r in requests if not r.startswith(('data:', 'blob:'))] == [report.as_uri()]
    assert page.title().startswith('What changed in map <script>')
    assert page.locator('#figure canvas').count() > 0

    shown = page.locator('#objects tbody tr:not([hidden])')
    assert shown.count() == 3
    page.fill('#find', 'lamp')
    assert shown.count() == 1
    row = shown.inner_text()
    assert 'gone' in row
    assert 'Fri 2026-11-20 11:06' in row
    page.fill('#find', '#2')
    assert 'chair' in shown.inner_text()
    shown.locator('button').click()
    page.wait_for_function(
        "document.getElementById('figure').data.find((t) => t.meta === 'chosen').x.length === 1"
    )
    center = page.evaluate("document.getElementById('figure').layout.scene.camera.center")
    assert set(center) == {'x', 'y', 'z'}

    first = page.locator('#changes tbody tr').first
    page.get_by_role('button', name='sure').click()
    assert 'least sure' in first.inner_text()
    page.get_by_role('button', name='sure').click()
    assert 'least sure' not in first.inner_text()

    page.get_by_label('before', exact=True).check()
    page.wait_for_function(
        "document.getElementById('figure').data.every((t) => t.meta !== 'before' || t.visible)"
    )
    page.set_viewport_size({'width': 390, 'height': 844})
    assert page.evaluate('document.documentElement.scrollWidth') == 390
    assert errors == []


def test_zone_narrows_the_tables(browser, zoned, tmp_path):
    """Changes and objects of the chosen zone are shown, together with what is searched for."""
    path = tmp_path / 'report.html'
    with SceneMemory.inspect(zoned) as memory:
        small = ReportConfig(points=1000, pictures=0)
        write_report(memory, path, None, 1_796_000_000 * 10**9, LocalTime.named('UTC'), small)
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(path.as_uri(), timeout=PATIENCE_MS)
    changes = page.locator('#changes tbody tr:not([hidden])')
    objects = page.locator('#objects tbody tr:not([hidden])')
    page.select_option('#zone', 'corner')
    assert (changes.count(), objects.count()) == (1, 1)
    assert page.locator('#in-zone').inner_text() == '1 of 2 changes, 1 of 3 objects'
    page.fill('#find', '#2')
    assert objects.count() == 0
    page.fill('#find', '')
    page.select_option('#zone', '')
    assert (changes.count(), objects.count()) == (2, 3)


def test_printed_report_is_whole(browser, report):
    """Pictures and all tables are on paper, and nothing that only a screen can use."""
    page = browser.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(report.as_uri(), timeout=PATIENCE_MS)
    page.emulate_media(media='print')
    for part in ('#changes', '#places', '#objects', '#visits'):
        assert page.locator(part).is_visible()
    for part in ('nav', '#view', '#find', 'button.show >> nth=0'):
        assert not page.locator(part).is_visible()
    header = page.locator('#objects th button').first
    assert header.evaluate('(b) => getComputedStyle(b).display') == 'contents'  # is repeated
    assert page.pdf(format='A4').startswith(b'%PDF')


def test_report_is_accessible(browser, report, violations):
    """Axe finds nothing: contrast, names of fields and buttons, headings, tables."""
    page = browser.new_page(viewport={'width': 1440, 'height': 900}, bypass_csp=True)
    page.goto(report.as_uri(), timeout=PATIENCE_MS)
    page.wait_for_selector('body[data-ready=true]')
    assert violations(page) == []
