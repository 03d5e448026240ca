"""The documentation builds without a warning, and the README stays short."""

from importlib.util import find_spec
import os
from pathlib import Path
import re
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_site_builds_without_warnings(tmp_path):
    """Every link, anchor, page of the navigation and documented name exists."""
    for tool in ('mkdocs', 'material', 'mkdocstrings'):
        if find_spec(tool) is None:
            pytest.skip(f'{tool} is not installed; requirements-test.txt names it')
    done = subprocess.run(
        [sys.executable, '-m', 'mkdocs', 'build', '--strict', '--site-dir', tmp_path / 'site'],
        cwd=ROOT,
        env=dict(os.environ, NO_MKDOCS_2_WARNING='1'),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    commands = (tmp_path / 'site' / 'reference' / 'cli.html').read_text()
    assert 'rescene4d replay [-h]' in commands  # generated pages are filled
    assert '<!-- generated' not in commands
    messages = (tmp_path / 'site' / 'reference' / 'messages.html').read_text()
    for path in [path for k in ('msg', 'srv', 'action') for path in (ROOT / k).iterdir()]:
        assert f'>{path.stem}<' in messages


def test_readme_is_short_and_its_links_exist():
    """At most 150 lines; every relative link leads to a file."""
    text = (ROOT / 'README.md').read_text()
    assert len(text.splitlines()) <= 150
    links = [link for link in re.findall(r'\]\(([^)#]+)', text) if '://' not in link]
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_code_names_documents_that_exist():
    """Error texts and docstrings point to pages that are there."""
    named = {
        (match, str(path))
        for folder in ('rescene4d_ros', 'scripts', 'config', 'test')
        for path in (ROOT / folder).rglob('*')
        if path.suffix in ('.py', '.yaml', '.sh')
        for match in re.findall(r'docs/[\w/]+\.md', path.read_text())
    }
    assert len(named) > 5
    assert [name for name in sorted(named) if not (ROOT / name[0]).exists()] == []


def test_documents_name_files_that_exist():
    """Source files and folders in backticks are there, so that moves do not leave old names."""
    kept = subprocess.run(['git', 'ls-files'], cwd=ROOT, capture_output=True, text=True)
    if kept.returncode:
        pytest.skip('not a git checkout')
    there = ['/' + path for path in kept.stdout.split()]
    pages = [*(ROOT / 'docs').rglob('*.md'), ROOT / 'README.md', ROOT / 'CONTRIBUTING.md']
    named = {
        (page.name, name)
        for page in pages
        for name in re.findall(r'`([\w/-]+\.(?:py|yaml|rviz))`', page.read_text())
    }
    named |= {
        ('architecture.md', name)
        for name in re.findall(
            r'`([a-z_]+/)`', (ROOT / 'docs' / 'design' / 'architecture.md').read_text()
        )
    }
    assert len(named) > 30
    # A run writes its own config.yaml.
    missing = {
        n for n in named if n[1] != 'config.yaml' and not any('/' + n[1] in path for path in there)
    }
    assert missing == set()


def test_architecture_names_every_package():
    """Each folder of the package has a row, and each row a folder or module."""
    text = (ROOT / 'docs' / 'design' / 'architecture.md').read_text()
    rows = re.findall(r'^\| (`.+?`) \|', text, re.MULTILINE)
    described = {name.strip('/') for row in rows for name in re.findall(r'`([\w/]+)`', row)}
    package = ROOT / 'rescene4d_ros'
    there = {
        path.stem
        for path in package.iterdir()
        if not path.name.startswith(('_', 'py.'))
        and (path.suffix == '.py' or (path / '__init__.py').exists())
    }
    assert described == there
