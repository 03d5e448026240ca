"""What a worker answers over HTTP, and its log as JSON."""

from __future__ import annotations

import json
import logging
from threading import Event
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest
from rescene4d_ros.cli.json_log import JsonLines
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.fleet.monitoring import Monitor
from rescene4d_ros.scene.tracker import STAGES

parser = pytest.importorskip('prometheus_client.parser', reason='no prometheus_client')


def metrics(port: int) -> dict[tuple, float]:
    """Return the numbers that a worker gives, by name and labels."""
    with urlopen(f'http://127.0.0.1:{port}/metrics', timeout=30) as answer:
        text = answer.read().decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in parser.text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def monitored(make_worker):
    """Return a worker and the monitor of it."""
    worker = make_worker()
    monitor = Monitor(worker, '127.0.0.1', 0, most_silent=60.0)
    yield worker, monitor
    monitor.close()


def test_metrics_count_visits_stages_and_what_waits(robot, visit, monitored, database):
    worker, monitor = monitored
    depositor = robot()
    depositor.add(visit(1))
    depositor.add(type(visit(2))(visit(2).xyz * 1000, visit(2).stamp_ns))
    list(depositor.send())
    before = metrics(monitor.port)
    assert before['rescene4d_visits_waiting', 'PENDING'] == 2
    assert before['rescene4d_oldest_waiting_seconds',] > 0
    worker.run(Event(), until_idle=True)
    found = metrics(monitor.port)
    assert found['rescene4d_visits_waiting', 'PENDING'] == 0
    assert found['rescene4d_visits_total', 'DONE'] == 1
    assert found['rescene4d_visits_total', 'REFUSED'] == 1
    assert found['rescene4d_stage_seconds_count', 'process'] == 1
    assert found['rescene4d_stage_seconds_sum', 'process'] > 0
    parts = [found['rescene4d_stage_seconds_sum', stage] for stage in STAGES]
    assert 0 < sum(parts) <= found['rescene4d_stage_seconds_sum', 'process']
    assert found['rescene4d_leases_total',] == 1
    assert found['rescene4d_disk_free_bytes',] > 0
    assert found['rescene4d_database_up',] == 1


def test_health_fails_where_the_worker_is_silent(monitored):
    worker, monitor = monitored
    address = f'http://127.0.0.1:{monitor.port}/healthz'
    with urlopen(address, timeout=30) as answer:
        assert json.load(answer)['ok']
    worker.stats.beat -= 61.0
    with pytest.raises(HTTPError) as caught:
        urlopen(address, timeout=30)
    assert caught.value.code == 503
    with pytest.raises(HTTPError):
        urlopen(f'http://127.0.0.1:{monitor.port}/', timeout=30)


def test_metrics_of_a_worker_without_database_say_so(make_worker, fleet_url):
    worker = make_worker(url=fleet_url.replace('/fleet_', '/none_'))
    monitor = Monitor(worker, '127.0.0.1', 0, most_silent=60.0)
    found = metrics(monitor.port)
    with pytest.raises(ConfigError, match='choose another'):
        Monitor(worker, '127.0.0.1', monitor.port, most_silent=60.0)
    monitor.close()
    assert found['rescene4d_database_up',] == 0
    assert ('rescene4d_visits_waiting', 'PENDING') not in found


def test_log_lines_are_json_with_fields():
    record = logging.LogRecord('fleet', logging.INFO, __file__, 1, 'visit %d', (3,), None)
    record.fields = {'map': 'hall'}
    line = json.loads(JsonLines().format(record))
    assert (line['message'], line['map'], line['level']) == ('visit 3', 'hall', 'INFO')
    assert line['time'].endswith('+00:00')
