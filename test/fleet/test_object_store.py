"""Points in an S3-compatible store: a real server of moto, with what is cached bounded."""

from __future__ import annotations

import socket
import subprocess
import sys
from threading import Event
import time
from urllib.request import urlopen

import pytest
from rescene4d_ros.errors import ConfigError, FileFormatError, StorageError
from rescene4d_ros.fleet.database import FleetDatabase
from rescene4d_ros.fleet.depositor import Depositor
from rescene4d_ros.fleet.fetched_files import FetchedFiles
from rescene4d_ros.fleet.point_store import open_store
from rescene4d_ros.fleet.spool import Spool
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.memory.visit_files import encoded

from .conftest import rows_of

pytestmark = pytest.mark.slow
BUCKET = 'rooms'


@pytest.fixture(scope='module')
def s3_address():
    """Return where an S3-compatible server listens, as a process of its own."""
    pytest.importorskip('moto.server', reason="no moto; pip install 'moto[server]'")
    pytest.importorskip('s3fs', reason="no s3fs; pip install 'rescene4d_ros[fleet]'")
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    command = [sys.executable, '-m', 'moto.server', '-H', '127.0.0.1', '-p', str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address, deadline = f'http://127.0.0.1:{port}', time.monotonic() + 120
    while True:
        assert server.poll() is None
        assert time.monotonic() < deadline
        try:
            urlopen(f'{address}/moto-api/', timeout=5).close()
            break
        except OSError:
            time.sleep(0.1)
    yield address
    server.kill()
    server.wait()


@pytest.fixture
def s3(s3_address, monkeypatch):
    """Return the URL of an empty bucket, with keys in the environment."""
    import s3fs

    monkeypatch.setenv('AWS_ACCESS_KEY_ID', 'robot')
    monkeypatch.setenv('AWS_SECRET_ACCESS_KEY', 'secret')
    monkeypatch.setenv('AWS_ENDPOINT_URL', s3_address)
    monkeypatch.setenv('AWS_DEFAULT_REGION', 'us-east-1')
    s3fs.S3FileSystem.clear_instance_cache()
    files = s3fs.S3FileSystem()
    if files.exists(BUCKET):
        files.rm(BUCKET, recursive=True)
    files.mkdir(BUCKET)
    return f's3://{BUCKET}/fleet'


def test_visits_pass_through_the_store(s3, database, fleet_url, visit, make_worker, tmp_path):
    spool = Spool(tmp_path / 'spool', 10**9)
    with Depositor(FleetDatabase(fleet_url), s3, spool, 'hall') as depositor:
        for day in (1, 2, 3):
            depositor.add(visit(day))
        assert len(list(depositor.send())) == 3
    worker = make_worker(points=s3, cache_megabytes=0.06)
    worker.run(Event(), until_idle=True)
    assert [row.status for row in rows_of(database)] == ['DONE'] * 3
    with SceneMemory.inspect(tmp_path, database.map_url('hall')) as memory:
        assert open_store(s3, 'map_hall').names() == set(memory.keys().values())
    copies = list((worker.folder / 'map_hall' / 'visits').glob('*.npz'))
    assert 1 <= len(copies) < 3
    assert sum(path.stat().st_size for path in copies) <= 60_000


def test_damaged_copy_is_fetched_again_and_damage_in_the_store_is_told(s3, visit, tmp_path):
    store = open_store(s3, 'map_hall')
    files = FetchedFiles(tmp_path, store, 10**9)
    files.prepare()
    scan = visit(1)
    name = files.write(scan)
    assert name == encoded(scan)[0]
    (tmp_path / name).write_bytes(b'damaged')
    assert files.read(name).stamp_ns == scan.stamp_ns
    assert (tmp_path / name).read_bytes() == encoded(scan)[1]
    store.put(name, b'damaged')
    assert files.read(name).stamp_ns == scan.stamp_ns  # the copy is whole
    (tmp_path / name).unlink()
    with pytest.raises(FileFormatError, match='put the file back'):
        files.read(name)
    files.remove(name)
    assert files.names() == set()
    assert not files.has(name)
    with pytest.raises(FileFormatError, match='found none'):
        files.read(name)
    files.remove(name)


def test_store_that_is_away_or_unknown_is_told(s3, monkeypatch, tmp_path):
    with pytest.raises(StorageError, match='bucket'):
        open_store('s3://no-such-bucket/fleet', 'map_hall').put('a', b'')
    with pytest.raises(ConfigError, match='gopher'):
        open_store('gopher://rooms', 'map_hall')
    with pytest.raises(ConfigError, match='--points'):
        open_store('', 'map_hall')
