"""A file that is replaced is old or new, whatever goes wrong while it is written."""

from __future__ import annotations

import multiprocessing
import os
import signal

import pytest
from rescene4d_ros.atomic_write import atomic_write

FORK = multiprocessing.get_context('fork')


@pytest.fixture
def path(tmp_path):
    """Return a file with old content."""
    path = tmp_path / 'file.json'
    path.write_bytes(b'old')
    return path


@pytest.mark.parametrize('durable', [False, True])
def test_new_content_takes_the_place_of_the_old(path, durable):
    with atomic_write(path, durable) as file:
        file.write(b'new')
        file.flush()
        assert path.read_bytes() == b'old'
    assert path.read_bytes() == b'new'
    assert os.listdir(path.parent) == [path.name]
    assert path.stat().st_mode & 0o044  # others may read it, as any file


def test_error_while_writing_keeps_the_old_content(path):
    with pytest.raises(TypeError), atomic_write(path) as file:
        file.writelines([b'half', 'no bytes'])
    assert path.read_bytes() == b'old'
    assert os.listdir(path.parent) == [path.name]


def test_kill_while_writing_keeps_the_old_content(path):
    def write() -> None:
        with atomic_write(path) as file:
            file.write(b'half')
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)

    worker = FORK.Process(target=write)
    worker.start()
    worker.join()
    assert worker.exitcode == -signal.SIGKILL
    assert path.read_bytes() == b'old'


def test_absent_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / 'absent' / 'file') as file:
        file.write(b'new')
