"""`rescene4d check`: it says what a replay would, and stores nothing."""

import json
import os
import subprocess
import sys

import numpy as np
from PIL import Image
import pytest
from rescene4d_ros.cli.main import main
from rescene4d_ros.memory.database import schema
from rescene4d_ros.memory.database.row_encoding import change_rows
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import Scan, VisitStatus


def room(seed=0):
    """Return points (N, 3) on the floor and walls of 5 x 4 m, and on a cupboard."""
    rng = np.random.default_rng(seed)
    share = rng.random((40_000, 3))
    xyz = share * (5, 4, 2.5)
    side = np.arange(len(xyz)) % 5
    xyz[side == 0, 2] = 0
    xyz[side == 1, 0] = 0
    xyz[side == 2, 1] = 0
    xyz[side == 3, 1] = 4
    cupboard = side == 4
    xyz[cupboard] = share[cupboard] * (0.05, 1.2, 1.8) + (3, 1, 0)
    return xyz


@pytest.fixture
def files(tmp_path):
    """Return the function that writes rooms as .npz files."""

    def write(**rooms):
        for name, xyz in rooms.items():
            np.savez(tmp_path / f'{name}.npz', xyz=xyz)
        return [str(tmp_path / f'{name}.npz') for name in rooms]

    return write


def test_good_scans(files, tmp_path, capsys):
    """One line for each, exit code 0; the picture has the points of both."""
    picture = tmp_path / 'new' / 'clouds.png'
    assert main(['check', *files(a=room(), b=room(1)), '--picture', str(picture)]) == 0
    assert np.asarray(Image.open(picture).convert('RGB')).std() > 10
    out, err = capsys.readouterr()
    assert out.count('as expected') == 2
    assert '0 of 2 visits would be refused' in err


def test_each_kind_of_finding(files, capsys):
    """Unit, registration against the scan before, stray points; in the order of the inputs."""
    turned = room(1)[:, [1, 0, 2]] * (1, -1, 1) + (0.5, 4, 0)
    names = files(
        a=room(), b=turned, c=room() * 1000, d=np.vstack([room(), [[60, 0, 1]]]), e=room()[:0]
    )
    assert main(['check', '--json', *names]) == 1
    out, err = capsys.readouterr()
    found = json.loads(out)
    codes = [[f['code'] for f in scan.get('findings', ())] for scan in found]
    assert codes == [[], ['registration'], ['unit'], ['stray_points'], []]
    assert 'empty cloud' in found[4]['refused']
    assert np.shape(found[1]['reference_T_scan']) == (4, 4)
    assert found[3]['kept'] == found[3]['points'] - 1
    assert '3 of 5 visits would be refused' in err
    assert main(['check', names[2], '--accept', 'unit']) == 0


def test_against_a_memory_that_is_left_as_it_was(files, tmp_path, capsys):
    """A scan is laid on the visits that are stored."""
    folder = tmp_path / 'memory'
    with SceneMemory.open(folder, 'map', 'map', ('chair',)) as memory:
        visit = memory.add_visit(Scan(room().astype(np.float32), 1))
        assert visit.status == VisitStatus.PENDING
    before = {p: p.read_bytes() for p in folder.rglob('*') if p.is_file()}
    away = files(away=room(1)[:, [1, 0, 2]] * (1, -1, 1) + (0.5, 4, 0))
    # A visit that is not processed is no reference yet.
    assert main(['check', *away, '--memory', str(folder)]) == 0
    with SceneMemory.open(folder, 'map', 'map', ('chair',)) as memory:
        with memory.database.writing() as connection:
            change_rows(connection, schema.visits, status=VisitStatus.DONE)
    assert main(['check', *away, '--memory', str(folder)]) == 1
    assert 'registration' in capsys.readouterr().out
    assert set(before) <= {p for p in folder.rglob('*') if p.is_file()}
    with SceneMemory.inspect(folder) as memory:
        assert len(memory.visits()) == 1


def test_disk_that_refuses_is_told(tmp_path, capsys):
    """A file in the place of the folder for results, and a full device in that of the output."""
    np.savez(tmp_path / 'room.npz', xyz=np.random.default_rng(0).random((50, 3)))
    arguments = [str(tmp_path / 'room.npz'), '--memory', str(tmp_path / 'memory')]
    code = main(['replay', *arguments, '--out', str(tmp_path / 'room.npz'), '--source', 'none'])
    assert code == 2
    assert 'check the path, its rights and the room on the disk' in capsys.readouterr().err
    program = 'import sys; from rescene4d_ros.cli.main import main; sys.exit(main(sys.argv[1:]))'
    command = [sys.executable, '-c', program, 'check', str(tmp_path / 'room.npz')]
    read, write = os.pipe()
    os.close(read)
    with open('/dev/full', 'w') as full, open(write, 'w') as closed:
        for output, expected in ((full, 2), (closed, 141)):
            done = subprocess.run(command, stdout=output, stderr=subprocess.PIPE, text=True)
            assert done.returncode == expected
            assert 'Traceback' not in done.stderr
            assert 'Exception' not in done.stderr


def test_picture_on_a_full_disk(files, new_disk, fill_disk, capsys):
    """The picture of before stays, and nothing half written is left; an ending must be one."""
    rooms, disk = files(a=room()[::10]), new_disk(2)
    picture = disk / 'clouds.png'
    arguments = ['check', *rooms, '--picture', str(picture)]
    assert main(arguments) == 0
    before = picture.read_bytes()
    ballast = fill_disk(disk)
    assert main(arguments) == 2
    assert 'room on the disk' in capsys.readouterr().err
    assert picture.read_bytes() == before
    assert {p.name for p in disk.iterdir()} == {'clouds.png', 'ballast'}
    ballast.unlink()
    assert main([*arguments[:-1], str(disk / 'clouds.xyz')]) == 2
    assert 'choose one of' in capsys.readouterr().err
    assert [p.name for p in disk.iterdir()] == ['clouds.png']


def test_names_that_are_no_text(tmp_path, capsys):
    """Of a file, which Linux allows to be any bytes."""
    path = os.fsdecode(os.fsencode(tmp_path) + b'/room\xff\n.npz')
    np.savez(path, xyz=np.random.default_rng(0).random((50, 3)))
    assert main(['check', path]) == 0
    assert 'room\\udcff' in capsys.readouterr().out
