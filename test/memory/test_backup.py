"""Copies of memories in use: as of one moment, whole, and memories themselves."""

from __future__ import annotations

from threading import Event, Thread

import pytest
from rescene4d_ros.cli.main import main
from rescene4d_ros.errors import MemoryFormatError, StorageError
from rescene4d_ros.memory.editing import corrections
from rescene4d_ros.memory.editing.undo import undo
from rescene4d_ros.memory.maintenance.backup import back_up, restore
from rescene4d_ros.memory.maintenance.integrity import check
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import VisitStatus


def content(memory) -> str:
    """Return everything that a memory says."""
    points = [(v, memory.scan(v.visit_id).xyz.tobytes()) for v in memory.visits()]
    return repr((memory.snapshot(), memory.changes(), memory.journal(), memory.names(), points))


@pytest.fixture
def memory(open_memory, make_scan, make_facts):
    """Return an open memory of two visits, with a merge that can be undone."""
    memory = open_memory()
    for day in (1, 2):
        memory.commit(make_facts(memory, memory.add_visit(make_scan(day)), births=2))
    corrections.rename(memory, 1, 'desk')
    corrections.merge(memory, 3, 4)
    return memory


def test_copy_of_an_open_memory_is_restored_whole(memory, tmp_path, new_url, capsys):
    before, copy, again = content(memory), tmp_path / 'copy', tmp_path / 'again'
    assert main(['memory', 'backup', str(memory.path), '--out', str(copy)]) == 0
    corrections.rename(memory, 2, 'stool')  # it is still the writer
    with SceneMemory.inspect(copy) as copied:
        assert content(copied) == before
    url = new_url()
    asked = ['memory', 'restore', str(again), '--from', str(copy)]
    assert main([*asked, *(['--url', url] if url else [])]) == 0
    assert 'all is well' in capsys.readouterr().out
    with SceneMemory.edit(again) as restored:
        assert content(restored) == before
        assert restored.database.url.get_backend_name() == memory.database.url.get_backend_name()
        assert undo(restored) == 'objects merged'
        assert sorted(restored.records) == [1, 2, 3, 4]


def test_copies_while_visits_come_are_each_of_one_moment(
    memory, make_scan, make_facts, tmp_path, url
):
    stop, errors = Event(), []

    def work() -> None:
        day = 3
        try:
            while not stop.is_set():
                memory.commit(make_facts(memory, memory.add_visit(make_scan(day))))
                day += 1
        except Exception as error:
            errors.append(error)

    worker = Thread(target=work)
    worker.start()
    try:
        for number in range(3):
            assert back_up(memory.path, tmp_path / f'{number}', url) == ()
    finally:
        stop.set()
        worker.join()
    assert not errors
    for number in range(3):
        assert check(tmp_path / f'{number}')[0] == ()
        with SceneMemory.inspect(tmp_path / f'{number}') as copied:
            newest = copied.snapshot()
        done = [visit for visit in newest.visits if visit.status == VisitStatus.DONE]
        assert len(newest.objects) == len(done) + 1


def test_missing_points_are_named(memory, tmp_path):
    (memory.path / 'visits' / memory.key(2)).unlink()
    faults = back_up(memory.path, tmp_path / 'copy')
    assert [fault.partition(':')[0] for fault in faults] == ['visit 2']
    with pytest.raises(MemoryFormatError, match='expected a copy that is whole'):
        restore(tmp_path / 'copy', tmp_path / 'again')
    assert not (tmp_path / 'again').exists()


def test_nothing_is_written_over(memory, tmp_path):
    back_up(memory.path, tmp_path / 'copy')
    before = content(memory)
    with pytest.raises(MemoryFormatError, match='not there yet'):
        back_up(memory.path, tmp_path / 'copy')
    with pytest.raises(MemoryFormatError, match='not there yet'):
        restore(tmp_path / 'copy', memory.path)
    assert content(memory) == before
    with pytest.raises(MemoryFormatError, match='expected a scene memory'):
        back_up(tmp_path / 'nothing', tmp_path / 'other')
    (tmp_path / 'file').write_text('')
    with pytest.raises(StorageError, match='cannot make the folder'):
        back_up(memory.path, tmp_path / 'file' / 'copy')
    assert sorted(p.name for p in tmp_path.iterdir() if 'part' in p.name) == []
