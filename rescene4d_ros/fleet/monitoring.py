"""What a worker tells monitors over HTTP: /metrics for Prometheus, /healthz for orchestrators."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
import json
import shutil
from threading import Thread
import time
from typing import Any

from rescene4d_ros.errors import ConfigError, RescenError
from rescene4d_ros.fleet.database import deposits, DepositStatus
from rescene4d_ros.fleet.worker import Worker
from sqlalchemy import func, select

PREFIX = 'rescene4d'


class Monitor:
    """
    Answer on one port until `close`.

    Parameters
    ----------
    worker : Worker
    host : str
        Address to listen on.
    port : int
        0 = any that is free.
    most_silent : float, s
        /healthz answers 503 where the main loop gave no sign for longer: a visit may take as long.

    Attributes
    ----------
    port : int

    Raises
    ------
    ConfigError
        The port is taken, or prometheus_client is not installed.

    """

    def __init__(self, worker: Worker, host: str, port: int, most_silent: float):
        try:
            from prometheus_client import CollectorRegistry, generate_latest
        except ModuleNotFoundError as error:
            raise ConfigError(
                '--http-port: expected prometheus_client, found none; pip install '
                "'rescene4d_ros[fleet]'"
            ) from error
        registry = CollectorRegistry()
        registry.register(WorkerMetrics(worker))

        class Handler(BaseHTTPRequestHandler):
            """Answer GET."""

            def do_GET(self) -> None:
                """Answer one request."""
                if self.path == '/metrics':
                    kind = 'text/plain; version=0.0.4; charset=utf-8'
                    self._answer(200, kind, generate_latest(registry))
                elif self.path == '/healthz':
                    about = health(worker, most_silent)
                    code = 200 if about['ok'] else 503
                    self._answer(code, 'application/json', json.dumps(about).encode())
                else:
                    self._answer(404, 'text/plain', b'expected /metrics or /healthz\n')

            def _answer(self, code: int, kind: str, body: bytes) -> None:
                self.send_response(code)
                self.send_header('Content-Type', kind)
                self.send_header('Content-Length', str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                """Log nothing: monitors ask every few seconds."""

        try:
            self._server = ThreadingHTTPServer((host, port), Handler)
        except OSError as error:
            raise ConfigError(
                f'--http-port: expected a free port at {host}, got {port} ({error.strerror}); '
                'choose another one'
            ) from error
        self.port = self._server.server_address[1]
        self._thread = Thread(target=self._server.serve_forever, name='monitor', daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop answering."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class WorkerMetrics:
    """
    Give the numbers of a worker, and how many visits of the fleet wait, when they are asked for.

    Parameters
    ----------
    worker : Worker

    """

    def __init__(self, worker: Worker):
        self._worker = worker

    def describe(self) -> list:
        """Return nothing: the registry need not ask the server at its start."""
        return []

    def collect(self) -> Iterator[Any]:
        """Yield one family of metrics after the other."""
        from prometheus_client.core import (
            CounterMetricFamily,
            GaugeMetricFamily,
            SummaryMetricFamily,
        )

        stats, disk = self._worker.stats, shutil.disk_usage(self._worker.folder)
        visits = CounterMetricFamily(
            f'{PREFIX}_visits', 'Visits by what became of them', labels=['status']
        )
        for status in DepositStatus:
            if status != DepositStatus.PENDING:
                visits.add_metric([status.value], stats.outcomes[status])
        yield visits
        stages = SummaryMetricFamily(
            f'{PREFIX}_stage_seconds', 'Time of the stages of visits, s', labels=['stage']
        )
        for stage, count in sorted(dict(stats.runs).items()):
            stages.add_metric([stage], count, stats.seconds[stage])
        yield stages
        counters: dict[str, tuple[str, float]] = {
            'object_ids': ('Object ids given', stats.ids),
            'errors': ('Errors of server, store or disk; the visits wait on', stats.errors),
            'leases': ('Maps taken', stats.leases),
            'leases_lost': ('Leases that another worker took', stats.lost),
        }
        for name, (text, value) in counters.items():
            yield CounterMetricFamily(f'{PREFIX}_{name}', text, value)
        gauges: dict[str, tuple[str, float]] = {
            'has_lease': ('Whether the worker has a map at hand', float(bool(stats.map_id))),
            'disk_free_bytes': ('Free space of the folder of the worker', disk.free),
            'disk_total_bytes': ('Size of the disk of that folder', disk.total),
        }
        for name, (text, value) in gauges.items():
            yield GaugeMetricFamily(f'{PREFIX}_{name}', text, value)
        yield from self._of_the_fleet()

    def _of_the_fleet(self) -> Iterator[Any]:
        """Yield what the database says; only that it is away where it is."""
        from prometheus_client.core import GaugeMetricFamily

        is_up, rows = 1, []
        waits = deposits.c.status.in_((DepositStatus.PENDING, DepositStatus.LATE))
        age = func.extract('epoch', func.now() - func.min(deposits.c.deposited_at))
        query = select(deposits.c.status, func.count(), age).where(waits)
        try:
            with self._worker.database.transaction() as connection:
                rows = list(connection.execute(query.group_by(deposits.c.status)))
        except RescenError:
            is_up = 0
        yield GaugeMetricFamily(f'{PREFIX}_database_up', 'Whether the database answers', is_up)
        if not is_up:
            return
        waiting = GaugeMetricFamily(
            f'{PREFIX}_visits_waiting', 'Visits of the fleet that wait', labels=['status']
        )
        found = {status: (count, float(seconds)) for status, count, seconds in rows}
        for status in (DepositStatus.PENDING, DepositStatus.LATE):
            waiting.add_metric([status.value], found.get(status, (0, 0.0))[0])
        yield waiting
        yield GaugeMetricFamily(
            f'{PREFIX}_oldest_waiting_seconds',
            'For how long the oldest deposit has waited',
            max([seconds for _, seconds in found.values()], default=0.0),
        )


def health(worker: Worker, most_silent: float) -> dict[str, Any]:
    """Return whether the main loop of a worker gives signs, and what it does."""
    silent = time.monotonic() - worker.stats.beat
    return {
        'ok': silent <= most_silent,
        'silent_seconds': round(silent, 3),
        'map': worker.stats.map_id,
        'last_error': worker.stats.last_error,
    }
