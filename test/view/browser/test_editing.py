"""Corrections of the viewer: told before, made, undone, and refused while a node writes."""

import shutil
import subprocess

import pytest
from rescene4d_ros.errors import MemoryFormatError, MemoryLockedError, StorageError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.view.browser.editing import Editor, merge_preview, split_preview, undo_preview
from rescene4d_ros.view.browser.knowledge import knowledge_of


@pytest.fixture
def folder(home, tmp_path):
    """Return a copy of the toy memory that may be changed."""
    return shutil.copytree(home, tmp_path / 'memory')


def read(folder):
    """Return what a viewer knows of a memory."""
    with SceneMemory.inspect(folder) as memory:
        return knowledge_of(memory)


def test_previews_say_what_corrections_do(folder):
    """A merge of what one visit saw twice is doubted; it, and a split, do what was told."""
    knowledge, editor = read(folder), Editor(folder, None)
    one, other = sorted(knowledge.contents.objects)[:2]
    text = merge_preview(knowledge, other, one)
    assert text.startswith(f'#{other} ')
    assert 'saw both at once' in text
    editor.merge(other, one)
    merged = read(folder)
    assert merged.current_id(other) == one
    with SceneMemory.inspect(folder) as memory:
        assert f'into {one}' in undo_preview(memory)
    editor.undo()
    assert set(read(folder).contents.objects) == set(knowledge.contents.objects)

    visit = knowledge.visits[1].visit_id
    assert split_preview(knowledge, one, visit).startswith(f'#{one} keeps visits 1; a new object')
    editor.split(one, visit)
    assert len(read(folder).contents.objects) == len(knowledge.contents.objects) + 1


def test_what_cannot_be_is_told(folder):
    """Ids and visits that do not exist, one object twice, and nothing to undo."""
    knowledge = read(folder)
    one = min(knowledge.contents.objects)
    for ask in (
        lambda: merge_preview(knowledge, one, 99),
        lambda: merge_preview(knowledge, one, one),
        lambda: split_preview(knowledge, one, 99),
    ):
        with pytest.raises(MemoryFormatError, match='expected'):
            ask()


def test_one_writer_at_a_time(folder):
    """While another process, such as the node, writes, corrections are refused."""
    with SceneMemory.edit(folder):
        with pytest.raises(MemoryLockedError):
            Editor(folder, None).rename(1, 'mine')
    assert Editor(folder, None).lock(1, True) == 'object 1 is locked'
    assert read(folder).locked == {1}


@pytest.mark.parametrize('is_full', [True, False], ids=['full', 'read-only'])
def test_disk_that_takes_nothing(home, new_disk, fill_disk, is_full):
    """Each correction is refused with a remedy and changes nothing; the next ones work."""
    disk = new_disk(8)
    path = shutil.copytree(home, disk / 'memory')
    editor, before = Editor(path, None), read(path)
    one, other = sorted(before.contents.objects)[:2]
    if is_full:
        ballast = fill_disk(disk)
    else:
        subprocess.run(['mount', '-o', 'remount,ro', disk], check=True)
    for correct in (
        lambda: editor.rename(one, 'mine'),
        lambda: editor.lock(one, True),
        lambda: editor.merge(one, other),
        lambda: editor.split(one, before.visits[1].visit_id),
        editor.undo,
    ):
        with pytest.raises(StorageError, match='free|check'):
            correct()
        assert repr(read(path).contents) == repr(before.contents)
    if is_full:
        ballast.unlink()
    else:
        subprocess.run(['mount', '-o', 'remount,rw', disk], check=True)
    assert editor.rename(one, 'mine') == f"object {one} is called 'mine'"
    assert editor.undo().startswith('undone')
