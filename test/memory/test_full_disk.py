"""A memory on a disk that is really full: it can be asked, says what to free, and goes on."""

import shutil

import pytest
from rescene4d_ros.errors import StorageError
from rescene4d_ros.memory.maintenance.backup import back_up, restore
from rescene4d_ros.memory.maintenance.integrity import find_faults
from rescene4d_ros.memory.store import SceneMemory


def seen(path):
    """Return what a reader is told."""
    with SceneMemory.inspect(path) as memory:
        return repr(memory.snapshot()), find_faults(memory), memory.scan(1).xyz.tobytes()


@pytest.mark.parametrize('ending', ['closed', 'killed', 'killed, without its index'])
def test_full_disk_can_be_asked(new_disk, fill_disk, make_scan, make_facts, ending, caplog):
    """A reader makes no file beside the database; who writes is told, and can later."""
    disk = new_disk(4)
    path = disk / 'memory'
    with SceneMemory.open(path, 'hall', 'map', ('chair', 'table')) as memory:
        memory.commit(make_facts(memory, memory.add_visit(make_scan(1))))
        if ending != 'closed':
            path = shutil.copytree(path, disk / 'killed')
    if ending == 'killed, without its index':
        (path / 'memory.sqlite3-shm').unlink()
    expected = seen(shutil.copytree(path, disk / 'copy'))
    shutil.rmtree(disk / 'copy')
    ballast = fill_disk(disk)
    assert not caplog.text
    assert seen(path) == expected
    if ending != 'killed':  # which left an index
        assert 'open the memory again for later changes' in caplog.text
    with pytest.raises(StorageError, match='free'), SceneMemory.edit(path) as memory:
        memory.add_visit(make_scan(2))
    assert seen(path) == expected
    ballast.unlink()
    assert seen(path) == expected
    with SceneMemory.edit(path) as memory:
        assert memory.add_visit(make_scan(2)).visit_id == 2
        assert find_faults(memory) == ()


def test_copies_on_a_full_disk_are_refused(new_disk, fill_disk, tmp_path, make_scan, make_facts):
    """Backup and restore leave nothing behind, and can be repeated."""
    disk, path = new_disk(4), tmp_path / 'memory'
    with SceneMemory.open(path, 'hall', 'map', ('chair', 'table')) as memory:
        memory.commit(make_facts(memory, memory.add_visit(make_scan(1))))
    back_up(path, tmp_path / 'backup')
    ballast = fill_disk(disk)
    for copy in (
        lambda: back_up(path, disk / 'saved'),
        lambda: restore(tmp_path / 'backup', disk / 'restored'),
    ):
        with pytest.raises(StorageError, match='free the disk|choose'):
            copy()
    assert [p.name for p in disk.iterdir()] == ['ballast']
    ballast.unlink()
    restore(tmp_path / 'backup', disk / 'restored')
    assert seen(disk / 'restored') == seen(path)
