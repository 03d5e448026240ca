"""A node that deposits: its visits go to a fleet, and the results come back as topics."""

from __future__ import annotations

from pathlib import Path
import tempfile
from threading import Event

import pytest
from rescene4d_ros.fleet.database import deposits, FleetDatabase
from rescene4d_ros.fleet.worker import Worker, WorkerConfig
from rescene4d_ros.node.messages import interfaces
from rescene4d_ros.scene.mask_source import load_masks
from rescene4d_ros.scene.processing_settings import configs_of
from rescene4d_ros.srv import QueryObjects
from sqlalchemy import func, select

SETTINGS = {'inference.source': 'none', 'tracker.birth_score': 0.0}
DAY_NS = 86_400 * 10**9
TABLE = ((1.6, 1.7, 0.0), (0.9, 0.6, 0.7), (60, 60, 180))
BOX = ((0.6, 0.5, 0.0), (0.4, 0.4, 0.5), (200, 40, 40))
TOPICS = (interfaces.OBJECTS, interfaces.CHANGES, interfaces.SEGMENTED_CLOUD)


@pytest.fixture
def server(make_server):
    """Return a server that a test may kill."""
    return make_server(Path(tempfile.mkdtemp(prefix='rescene4d_pg_')))


@pytest.fixture
def three_visits(boxes_room):
    """Return scans of a room, days apart; a box comes with the last."""
    parts = ([TABLE], [TABLE], [TABLE, BOX])
    return [
        boxes_room(boxes, seed=k, density=150, stamp_ns=k * DAY_NS)[0]
        for k, boxes in enumerate(parts, start=1)
    ]


def count(database: FleetDatabase) -> int:
    """Return the number of deposits."""
    with database.transaction() as connection:
        return connection.execute(select(func.count()).select_from(deposits)).scalar_one()


@pytest.mark.slow
def test_node_deposits_and_publishes_what_a_worker_makes_of_it(
    client, new_client, processes, start_node, three_visits, cloud_message, server, tmp_path
):
    """As one that processes itself does; visits wait while the server is away."""
    points, spool = tmp_path / 'points', tmp_path / 'spool'
    points.mkdir()
    settings = configs_of(tuple(SETTINGS.items()))
    database = FleetDatabase(server.url)
    database.prepare()

    def work() -> None:
        masks = load_masks(settings['inference'])
        folder = tmp_path / 'work'
        with Worker(server.url, str(points), folder, masks, WorkerConfig(), settings) as worker:
            worker.run(Event(), until_idle=True)

    node = start_node(
        autostart='true',
        fleet__url=f'"{server.url}"',
        fleet__points=points,
        fleet__spool=spool,
        memory__map_id='hall',
        inference__source='none',
    )
    heard = {topic.name: client.listen(topic) for topic in TOPICS}
    diagnostics = client.listen_to_diagnostics()
    objects, changes, clouds = heard.values()
    client.publish(cloud_message(three_visits[0]))
    client.wait(lambda: count(database) == 1)
    work()
    client.wait(lambda: objects and objects[-1].revision == 1)
    assert (objects[-1].map_id, objects[-1].visit_id) == ('hall', 1)
    assert changes[-1].visit_id == 1
    assert clouds[-1].width == len(three_visits[0])

    server.kill()
    for scan in three_visits[1:]:
        client.publish(cloud_message(scan))
    client.wait(lambda: 'depositing' in diagnostics.entry('node')[1])
    client.wait(lambda: len(list(spool.glob('*.visit'))) == 2)
    server.start()
    client.wait(lambda: count(database) == 3)
    assert not list(spool.glob('*.visit'))
    work()
    client.wait(lambda: objects[-1].revision == 3)
    client.wait(lambda: diagnostics.entry('node')[1] == 'active')
    found = client.call(QueryObjects, '/rescene4d/query_objects', QueryObjects.Request())
    assert [o.object_id for o in found.objects] == [o.object_id for o in objects[-1].objects]
    told = [(m.visit_id, m.changes) for m in changes]
    remembered = objects[-1].objects
    assert processes.stop(node) == 0
    database.close()

    alone = start_node(autostart='true', memory__map_id='hall', inference__source='none')
    other = new_client()
    heard = {topic.name: other.listen(topic) for topic in TOPICS}
    own_objects, own_changes, own_clouds = heard.values()
    for revision, scan in enumerate(three_visits, start=1):
        other.publish(cloud_message(scan))
        other.wait(lambda n=revision: own_objects and own_objects[-1].revision == n)
    assert remembered == own_objects[-1].objects
    assert told == [(m.visit_id, m.changes) for m in own_changes]
    assert [len(changed) for _, changed in told] == [0, 0, 1]
    assert clouds[-1].data[: clouds[-1].point_step] == own_clouds[-1].data[: clouds[-1].point_step]
    assert processes.stop(alone) == 0
