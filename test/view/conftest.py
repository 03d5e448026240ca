"""A memory of a toy room: things that move, leave and stay unseen, with names of strangers."""

import os
import shutil

import numpy as np
import pytest
from rescene4d_ros.memory.editing import corrections
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.mask_source import GivenMasks
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.structures import Finding, GivenInstances, INSTANCE_CLASSES, Scan, Severity

DAY = 86_400 * 10**9
FIRST_NS = 1_795_000_000 * 10**9  # a Wednesday noon in Berlin, 2026-11-18
HOSTILE = '<script>document.title="taken"</script><b>&amp;'
CHAIR = ((0.6, 0.6, 0.0), (0.45, 0.45, 0.8), (150, 60, 40))
MOVED = ((2.2, 0.4, 0.0), *CHAIR[1:])
TABLE = ((1.8, 1.6, 0.0), (0.8, 0.6, 0.7), (40, 80, 150))
LAMP = ((0.4, 2.2, 0.0), (0.3, 0.3, 1.4), (230, 210, 60))
BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
FLAGS = ['--use-angle=swiftshader', '--enable-unsafe-swiftshader']
WARNING = Finding('overlap', Severity.WARNING, '31 %', 'at least 40 %', f'look {HOSTILE}')


@pytest.fixture(scope='session')
def home(tmp_path_factory, boxes_room):
    """Return the folder: a table; a chair that moves, and a lamp that leaves, on the third day."""
    folder = tmp_path_factory.mktemp('home') / 'memory'
    masks = GivenMasks()
    with SceneMemory.open(folder, f'map {HOSTILE}', 'map', masks.class_names) as memory:
        tracker = SceneTracker(memory, masks)
        for day, things in enumerate(
            (
                {'table': TABLE, 'chair': CHAIR, 'otherfurniture': LAMP},
                {'table': TABLE, 'chair': CHAIR, 'otherfurniture': LAMP},
                {'table': TABLE, 'chair': MOVED},
            )
        ):
            scan, box = boxes_room(
                list(things.values()), seed=day, density=1500, stamp_ns=FIRST_NS + day * DAY
            )
            classes = np.array([-1, *map(INSTANCE_CLASSES.index, things)], np.int32)
            tracker.add_visit(
                Scan(
                    scan.xyz,
                    scan.stamp_ns,
                    scan.rgb,
                    scan.normals,
                    name=f'day {day}',
                    findings=(WARNING,) if day == 2 else (),
                    given=GivenInstances(box.astype(np.int64), classes[box]),
                )
            )
        ids = {item.class_name: item.object_id for item in memory.snapshot().objects}
        corrections.rename(memory, ids['chair'], HOSTILE)
        corrections.rename(memory, ids['otherfurniture'], 'lamp')
    return folder


@pytest.fixture(scope='session')
def zoned(home, tmp_path_factory):
    """Return the folder of the same memory with zones: the lamp, and where the chair went."""
    folder = shutil.copytree(home, tmp_path_factory.mktemp('zoned') / 'memory')
    (folder / 'zones.yaml').write_text(
        'corner: {polygon: [[0, 1.8], [1, 1.8], [1, 3], [0, 3]]}\n'
        f"'{HOSTILE}': {{polygon: [[1.7, 0], [3, 0], [3, 1.2], [1.7, 1.2]]}}\n"
    )
    return folder


@pytest.fixture
def browser():
    """Return a Chromium without a window."""
    playwright = pytest.importorskip(
        'playwright.sync_api', reason='playwright is not installed; requirements-test.txt names it'
    )
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    if program is None:
        pytest.skip('no Chromium is installed; `apt install chromium`')
    flags = [*FLAGS, '--no-sandbox'] if os.getuid() == 0 else FLAGS
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


@pytest.fixture
def violations():
    """Return the function that lists what axe finds in a page: rule, impact, first element."""
    axe = pytest.importorskip(
        'axe_playwright_python.sync_playwright',
        reason='axe is not installed; requirements-test.txt names axe-playwright-python',
    )

    def find(page):
        found = axe.Axe().run(page).response['violations']
        return [
            (rule['id'], rule['impact'], node['target'][0], node.get('html', '')[:160])
            for rule in found
            for node in rule['nodes']
        ]

    return find
