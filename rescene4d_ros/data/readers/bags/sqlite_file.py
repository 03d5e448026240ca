"""SQLite files of rosbag2, message by message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
import sqlite3
from urllib.parse import quote

from rescene4d_ros.data.readers.bags.compression import unpack_message
from rescene4d_ros.data.readers.bags.messages import Damage, Recorded, ros2_type, Topic
from rescene4d_ros.errors import FileFormatError

# The texts of SQLite's own errors may hold bytes of the file that are no text.
FAILURES = (sqlite3.Error, ValueError, OverflowError)


def read_sqlite(path: Path, types: frozenset[str]) -> Iterator[Recorded | Damage]:
    """Read the messages of some types in the order of recording; as `read_mcap`."""
    try:
        with closing(_connect(path)) as database:
            views = "SELECT count(*) FROM sqlite_master WHERE type = 'view'"
            if database.execute(views).fetchone()[0]:  # one may have rows without end
                raise ValueError('views in the place of tables')
            topics = {
                number: Topic(str(name), ros2_type(str(kind)))
                for number, name, kind, encoding in database.execute(
                    'SELECT id, name, type, serialization_format FROM topics'
                )
                if ros2_type(str(kind)) in types and encoding == 'cdr'
            }
            rows, damage = _rows(database, topics, path.name)
            for number, topic, time_ns in rows:
                yield _message(database, number, topics[topic], time_ns, path.name)
            yield from damage
    except FAILURES as error:
        raise FileFormatError(
            f'{path}: expected an SQLite file of rosbag2, got another or a damaged one ({error}); '
            'copy it again, or try `sqlite3 FILE .recover`'
        ) from error


def _connect(path: Path) -> sqlite3.Connection:
    # A recording that was killed may have its last messages in a write-ahead log beside it.
    beside = path.with_name(path.name + '-wal').exists()
    options = 'mode=ro' if beside else 'mode=ro&immutable=1'
    database = sqlite3.connect(f'file:{quote(str(path))}?{options}', uri=True)
    database.text_factory = lambda text: text.decode('utf-8', 'replace')
    return database


def _rows(
    database: sqlite3.Connection, topics: dict[int, Topic], name: str
) -> tuple[list[tuple[int, int, int]], list[Damage]]:
    """Return id, topic and time of the messages, without their data, by time."""
    rows, damage = [], []
    try:
        marks = ','.join('?' * len(topics))
        for row in database.execute(
            f'SELECT id, topic_id, timestamp FROM messages WHERE topic_id IN ({marks})',
            tuple(topics),
        ):
            if all(isinstance(value, int) for value in row):
                rows.append(row)
            else:
                damage.append(Damage(f'{name}: expected a time for each message, got {row[2]!r}'))
    except FAILURES as error:
        damage.append(
            Damage(
                f'{name}: expected a whole table of messages, got {error}; the {len(rows)} before '
                'are read'
            )
        )
    return sorted(rows, key=lambda row: (row[2], row[0])), damage


def _message(
    database: sqlite3.Connection, number: int, topic: Topic, time_ns: int, name: str
) -> Recorded | Damage:
    try:
        (data,) = database.execute('SELECT data FROM messages WHERE id = ?', (number,)).fetchone()
        if not isinstance(data, bytes):
            raise ValueError(f'{type(data).__name__} in the place of bytes')
        return Recorded(topic, time_ns, unpack_message(data))
    except (*FAILURES, TypeError) as error:
        return Damage(f'{name}: expected a whole message of {topic.name}, got {error}')
