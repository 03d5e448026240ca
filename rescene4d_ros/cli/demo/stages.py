"""Processes of a demo, and what they recorded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
from rescene4d_ros.data.readers.point_cloud2 import scan_from_cloud
from rosbags.highlevel import AnyReader


class StageFailed(Exception):
    """A process of the demo ended with an error or exceeded its time."""


def stage(text: str) -> None:
    """Print the present stage."""
    print(f'== {text}', flush=True)


@contextmanager
def process(
    module: str, out: Path, *arguments: str, log_name: str = ''
) -> Iterator[subprocess.Popen]:
    """Run a module of `node/` until the end of the context, with output in a log file."""
    with open(out / f'{log_name or module.rpartition(".")[2]}.log', 'a') as log:
        running = subprocess.Popen(
            [sys.executable, '-m', f'rescene4d_ros.node.{module}', *arguments],
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield running
        finally:
            if running.poll() is None:
                running.send_signal(signal.SIGINT)
            try:
                running.wait(20)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()
    if running.returncode not in (0, -signal.SIGKILL):
        raise StageFailed(f'{module} ended with {running.returncode}; see {log.name}')


def await_recorder(out: Path, timeout: float) -> None:
    """Wait until the recorder is connected, so that it receives the first messages."""
    await_text(out / 'recorder.log', 'hears all topics', 1, timeout)


def await_text(log: Path, text: str, times: int, timeout: float) -> None:
    """Wait until a process has written a text to its log as often."""
    end = time.monotonic() + timeout
    while log.read_text().count(text) < times:
        if time.monotonic() > end:
            raise StageFailed(
                f'expected {text!r} of a process in {timeout:g} s; see the logs in {log.parent}'
            )
        time.sleep(0.1)


def ids_over_restart(recording: Path, visit_id: int) -> str:
    """Compare what the node published after a visit, before a kill and after the restart."""
    with AnyReader([recording]) as reader:
        objects = [c for c in reader.connections if c.topic.endswith('/objects')]
        said: list[Any] = [
            reader.deserialize(data, c.msgtype)
            for c, _, data in reader.messages(connections=objects)
        ]
    same = [
        {o.object_id: (o.class_name, o.first_seen.sec) for o in m.objects}
        for m in said
        if m.visit_id == visit_id
    ]
    if len(same) < 2:
        raise StageFailed(
            f'expected ~/objects of visit {visit_id} before and after the kill, '
            f'recorded {len(same)}'
        )
    if any(s != same[0] for s in same):
        raise StageFailed(
            f'ids changed over the restart: {sorted(same[0])} became {sorted(same[-1])}'
        )
    return f'{len(same[0])} of {len(same[0])} unchanged'


def left_out_of(recording: Path, stamps_ns: Sequence[int]) -> list[np.ndarray]:
    """Return what the visit builder left out (M, 3), m, of visits with these stamps."""
    with AnyReader([recording]) as reader:
        topics = [c for c in reader.connections if c.topic.endswith('/left_out')]
        clouds = [
            scan_from_cloud(reader.deserialize(data, c.msgtype))
            for c, _, data in reader.messages(connections=topics)
        ]
    said = {cloud.stamp_ns: cloud.xyz for cloud in clouds}
    return [said.get(stamp, np.empty((0, 3), np.float32)) for stamp in stamps_ns]
