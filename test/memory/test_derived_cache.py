"""Files that follow from the points of a visit: what is kept, and what is made again."""

from __future__ import annotations

from rescene4d_ros.memory.derived_cache import DerivedFiles


def test_derived_files_that_were_used_last_stay(tmp_path):
    """Of one kind, however made; another kind is not counted."""
    files = DerivedFiles(tmp_path / 'derived')
    assert files.read('a.npz', 'features-1') is None
    for key in 'abc':
        files.write(f'{key}.npz', 'features-1', key.encode(), keep=3)
        files.write(f'{key}.npz', 'cells', b'')
    assert files.read('a.npz', 'features-1') == b'a'
    files.write('d.npz', 'features-2', b'd', keep=3)
    assert {k: files.read(f'{k}.npz', 'features-1') for k in 'abc'} == {
        'a': b'a',
        'b': None,
        'c': b'c',
    }
    assert files.read('d.npz', 'features-2') == b'd'
    assert files.read('b.npz', 'cells') == b''
    files.remove('d.npz')
    assert files.read('d.npz', 'features-2') is None


def test_where_nothing_can_be_kept_work_goes_on(tmp_path, caplog):
    """A file in the place of the folder: nothing is kept, nothing is raised."""
    (tmp_path / 'derived').write_text('in the way')
    files = DerivedFiles(tmp_path / 'derived')
    files.write('a.npz', 'cells', b'1')
    assert files.read('a.npz', 'cells') is None
    assert 'worked out again' in caplog.text
