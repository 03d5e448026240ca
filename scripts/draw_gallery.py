"""
Draw the gallery of the guide: viewer and report of a memory, on a desk and on a phone.

    rescene4d demo --out out/demo
    .venv/bin/python scripts/draw_gallery.py out/demo/memory [--out docs/images/gallery]

Needs Chromium and playwright. Each picture is WebP, at most 1440 pixels wide.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
import io
from pathlib import Path
import shutil
import subprocess
import sys
import tempfile

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
FLAGS = ('--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--no-sandbox')
DESK, PHONE = (1440, 900), (390, 844)  # pixels
QUALITY = 72  # of WebP
WAIT_MS = 600_000
SETTLE_MS = 2000  # points fade in, and a frame takes long without a graphics card
MOST_LOOKS = 30  # while it goes on changing
COMMAND = (sys.executable, '-m', 'rescene4d_ros.cli.main')


def save(page: Page, folder: Path, name: str) -> None:
    """Write what a page shows once it rests: two pictures in a row are the same."""
    before, now = b'', page.screenshot(timeout=WAIT_MS)
    for _ in range(MOST_LOOKS):
        if now == before:
            break
        page.wait_for_timeout(SETTLE_MS)
        before, now = now, page.screenshot(timeout=WAIT_MS)
    picture = Image.open(io.BytesIO(now)).convert('RGB')
    picture.save(folder / f'{name}.webp', quality=QUALITY, method=6)
    print(folder / f'{name}.webp', flush=True)


def resize(page: Page, size: tuple[int, int]) -> None:
    """Give a page another size, and wait until its canvas has it."""
    page.set_viewport_size({'width': size[0], 'height': size[1]})
    page.wait_for_function(
        'width => [...document.querySelectorAll("canvas")].every(c => c.clientWidth <= width)',
        arg=size[0],
    )


@contextmanager
def served(memory: Path, *flags: str) -> Iterator[str]:
    """Serve a memory; give the address."""
    command = [*COMMAND, 'view', str(memory), '--port', '0', '--zone', 'UTC', *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield next(line for line in process.stdout if line.startswith('http://')).split()[0]
    finally:
        process.terminate()
        process.wait()


def open_viewer(page: Page, address: str) -> None:
    """Open the viewer and wait until all is drawn."""
    page.goto(address, timeout=WAIT_MS)
    page.add_style_tag(content='.mantine-Notification-root { display: none }')  # no graphics card
    page.locator('[data-drawn="coarse fine"]').first.wait_for(state='attached')


def draw_viewer(page: Page, address: str, folder: Path) -> None:
    """Show what the viewer is asked most: objects, a change, and that on a phone."""
    open_viewer(page, address)
    save(page, folder, 'viewer')
    page.get_by_role('tab', name='Changes').click()
    page.locator('button:has-text("#"):visible').first.click()
    page.locator('.r4-history img').first.wait_for()
    save(page, folder, 'viewer_change')
    page.keyboard.press('Escape')
    resize(page, PHONE)
    open_viewer(page, address)  # a window of another shape is framed when it is opened
    save(page, folder, 'viewer_phone')


def draw_report(page: Page, file: Path, folder: Path) -> None:
    """Show the report, whose file needs no server, with the view in 3D further down."""
    page.goto(file.as_uri(), timeout=WAIT_MS)
    save(page, folder, 'report')
    page.locator('.js-plotly-plot').first.scroll_into_view_if_needed()
    save(page, folder, 'report_3d')
    resize(page, PHONE)
    page.evaluate('scrollTo(0, 0)')
    save(page, folder, 'report_phone')


def main() -> None:
    """Draw all pictures."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument('memory', type=Path)
    parser.add_argument('--out', type=Path, default=ROOT / 'docs' / 'images' / 'gallery')
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    program = next(filter(None, map(shutil.which, BROWSERS)), None)
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        report = Path(folder) / 'report.html'
        command = [*COMMAND, 'report', str(options.memory), '--out', str(report), '--zone', 'UTC']
        subprocess.run(command, check=True)
        browser = driver.chromium.launch(executable_path=program, args=list(FLAGS))
        page = browser.new_page(viewport={'width': DESK[0], 'height': DESK[1]})
        page.set_default_timeout(WAIT_MS)
        draw_report(page, report, options.out)
        resize(page, DESK)
        with served(options.memory, '--points', '60000') as address:
            draw_viewer(page, address, options.out)
        browser.close()


if __name__ == '__main__':
    main()
