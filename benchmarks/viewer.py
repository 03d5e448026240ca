"""
What the viewer costs with a large memory: first page, steps of the slider, bytes, resident memory.

    .venv/bin/python benchmarks/viewer.py [--memory out/viewer_memory] [--steps 8]

Makes the memory where there is none: 200 visits of 25,000 points, each of one room of 20, 1,000
objects. Serves it by `rescene4d view` and looks at it with a headless Chromium, which draws
without a graphics card. Prints the seconds until the page lists the objects; until a step of the
slider shows its visit with few points, and until it shows all; bytes that one window is sent for
each; and the resident memory of the server. The load of the machine is printed with them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
import os
from pathlib import Path
import shutil
import statistics
import subprocess
import sys
import time

from large_memory import make_large_memory
from playwright.sync_api import Page, sync_playwright
import viser
from websockets import Origin, Subprotocol
from websockets.sync.client import connect

BROWSERS = ('chromium', 'chromium-browser', 'google-chrome')
FLAGS = ('--use-angle=swiftshader', '--enable-unsafe-swiftshader', '--no-sandbox')
# Notes in the page itself when a key came and when a visit was drawn.
WATCH = """() => {
  window.seen = [];
  addEventListener('keydown', () => window.seen.push(['key', performance.now()]), true);
  new MutationObserver(() => {
    const drawn = document.querySelector('[data-visit]').dataset;
    window.seen.push([drawn.visit + ' ' + drawn.drawn, performance.now()]);
  }).observe(document.body, {subtree: true, childList: true, attributes: true});
}"""
WAIT_MS = 600_000
QUIET = 3.0  # s without a message after which a window has everything


@contextmanager
def served(memory: Path) -> Iterator[tuple[int, str]]:
    """Serve a memory; give the process id and the address."""
    command = [sys.executable, '-m', 'rescene4d_ros.cli.main', 'view', str(memory), '--port', '0']
    process = subprocess.Popen([*command, '--zone', 'UTC'], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = next(line for line in process.stdout if line.startswith('http://'))
        yield process.pid, line.split()[0]
    finally:
        process.terminate()
        process.wait()


def bytes_of_window(address: str) -> int:
    """Return what a new window is sent over its socket, bytes."""
    place, protocol = address.removeprefix('http://'), Subprotocol(f'viser-v{viser.__version__}')
    with connect(
        f'ws://{place}', origin=Origin(address), subprotocols=[protocol], max_size=None
    ) as socket:
        total = 0
        while True:
            try:
                total += len(socket.recv(timeout=QUIET))
            except TimeoutError:
                return total


def shows(page: Page, number: int, stage: str) -> None:
    """Wait until the page has drawn a visit, by its place in time."""
    page.locator(f'[data-visit="{number}"][data-drawn~="{stage}"]').first.wait_for(
        state='attached'
    )


def step(page: Page, key: str, number: int) -> tuple[float, float]:
    """Press a key at the slider; return the seconds until a visit is drawn, and in detail."""
    page.evaluate('window.seen = []')
    page.keyboard.press(key)
    shows(page, number, 'fine')
    times: dict[str, float] = {}
    for what, at in page.evaluate('window.seen'):
        times.setdefault(what, at / 1e3)
    fine = times[f'{number} coarse fine'] - times['key']
    return times.get(f'{number} coarse', times[f'{number} coarse fine']) - times['key'], fine


def measure(address: str, steps: int) -> dict[str, list[float]]:
    """Return the seconds of each kind of step, for a person at a window."""
    program = next(filter(None, map(shutil.which, BROWSERS)))
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=program, args=list(FLAGS))
        page = browser.new_page(viewport={'width': 1440, 'height': 900})
        page.set_default_timeout(WAIT_MS)
        start = time.perf_counter()
        page.goto(address, timeout=WAIT_MS)
        page.locator('button:has-text("#"):visible').first.wait_for()
        listed = time.perf_counter() - start
        text = page.locator('[data-visit]').first.get_attribute('data-visit')
        newest = int(text or 0)
        shows(page, newest, 'fine')
        drawn = time.perf_counter() - start
        page.evaluate(WATCH)
        page.get_by_role('slider').first.focus()
        near = [step(page, 'ArrowLeft', newest - 1 - k) for k in range(steps)]
        far = [step(page, k, n) for k, n in (('Home', 1), ('End', newest)) * (steps // 2)]
        start = time.perf_counter()
        page.locator('button:has-text("#"):visible').first.click()
        page.locator('.r4-object h3').first.wait_for()
        opened = time.perf_counter() - start
        browser.close()
    return {
        'page lists the objects': [listed],
        'page has drawn all': [drawn],
        'step, few points': [coarse for coarse, _ in near],
        'step, all points': [fine for _, fine in near],
        'jump, few points': [coarse for coarse, _ in far],
        'jump, all points': [fine for _, fine in far],
        'page of an object': [opened],
    }


def resident_mb(pid: int) -> float:
    """Return the resident memory of a process, MB."""
    pages = int(Path(f'/proc/{pid}/statm').read_text().split()[1])
    return pages * os.sysconf('SC_PAGE_SIZE') / 1e6


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.split('\n\n', maxsplit=1)[0])
    parser.add_argument('--memory', type=Path, default=Path('out/viewer_memory'))
    parser.add_argument('--visits', type=int, default=200)
    parser.add_argument('--objects', type=int, default=1000)
    parser.add_argument('--points', type=int, default=25_000, help='of each visit')
    parser.add_argument('--steps', type=int, default=8)
    options = parser.parse_args()
    if not options.memory.exists():
        make_large_memory(options.memory, options.visits, options.objects, options.points)
    begin = time.perf_counter()
    with served(options.memory) as (pid, address):
        print(f'server ready after {time.perf_counter() - begin:.2f} s')
        first = bytes_of_window(address)
        for name, seconds in measure(address, options.steps).items():
            most = f', largest {max(seconds):.2f} s' if len(seconds) > 1 else ''
            print(f'{name}: {statistics.median(seconds):.2f} s{most}')
        print(f'bytes of a new window {first / 1e6:.1f} MB')
        print(f'resident memory of the server {resident_mb(pid):.0f} MB')
    print(f'load of the machine {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors')


if __name__ == '__main__':
    main()
