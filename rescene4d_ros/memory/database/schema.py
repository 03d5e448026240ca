"""The tables of a scene memory and their version."""

from __future__ import annotations

from enum import StrEnum

from rescene4d_ros.memory.database.row_encoding import (
    BOX,
    checked,
    code,
    FLAG,
    floats,
    IDS,
    JSON,
    LABELS,
    MATRIX,
    word,
)
from rescene4d_ros.structures import ChangeKind, ObjectState, VisitStatus
from sqlalchemy import (
    BigInteger,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
)

VERSION = 4  # raise with every change of a table, and write the migration from the one before


class JournalAction(StrEnum):
    """What is done to a memory, as the journal calls it."""

    VISIT_STORED = 'visit stored'
    VISIT_PROCESSED = 'visit processed'
    VISIT_FAILED = 'visit failed'
    VISITS_REPROCESSED = 'visits reprocessed'
    OBJECT_RENAMED = 'object renamed'
    OBJECT_LOCKED = 'object locked'
    OBJECT_UNLOCKED = 'object unlocked'
    OBJECTS_MERGED = 'objects merged'
    OBJECT_SPLIT = 'object split'
    CORRECTION_UNDONE = 'undone'
    POINTS_THINNED = 'points thinned'
    VISIT_DELETED = 'visit deleted'
    VISIT_EXCLUDED = 'visit excluded'
    VISIT_INCLUDED = 'visit included'
    OBJECT_DELETED = 'object deleted'
    MEMORY_REPAIRED = 'memory repaired'
    MAP_MOVED = 'map moved'


tables = MetaData()

# One value per key, as JSON: schema, map_id, frame_id, class_names, weights_hash, revision,
# next_visit_id, next_object_id, origin.
meta = Table(
    'meta',
    tables,
    *checked(Column('key', Text, primary_key=True), Column('value', JSON, nullable=False)),
)

visits = Table(
    'visits',
    tables,
    *checked(
        Column('visit_id', Integer, primary_key=True, autoincrement=False),
        Column('stamp_ns', BigInteger, nullable=False, unique=True),
        Column('status', code(VisitStatus), nullable=False),
        Column('name', Text, nullable=False),
        Column('file', Text, nullable=False),
        Column('n_points', Integer, nullable=False),
        Column('reason', Text, nullable=False, default=''),
        Column('weights_hash', Text),
    ),
)

# What is known of each object now: a fold over observations, states and changes.
objects = Table(
    'objects',
    tables,
    *checked(
        Column('object_id', Integer, primary_key=True, autoincrement=False),
        Column('state', code(ObjectState), nullable=False),
        Column('is_gone', FLAG, nullable=False),
        Column('score', Float, nullable=False),
        Column('box', BOX, nullable=False),
        Column('first_seen_ns', BigInteger, nullable=False),
        Column('last_seen_ns', BigInteger, nullable=False),
        Column('last_confirmed_absent_ns', BigInteger),
        Column('n_observations', Integer, nullable=False),
        Column('moved_m', Float, nullable=False),
        Column('link_reason', Text, nullable=False),
        Column('class_probs', floats(), nullable=False),
        Column('feature', floats(), nullable=False),
        Column('color', floats(), nullable=False),
        Column('xyz', floats(-1, 3), nullable=False),
        # Ids of look-alikes that it could as well be, as JSON; since version 2.
        Column('alternatives', IDS, nullable=False, default=(), server_default='[]'),
    ),
)

observations = Table(
    'observations',
    tables,
    *checked(
        Column('visit_id', Integer, ForeignKey('visits.visit_id'), primary_key=True),
        Column('object_id', Integer, primary_key=True, autoincrement=False),
        Column('n_points', Integer, nullable=False),
        Column('score', Float, nullable=False),
        Column('box', BOX, nullable=False),
        Column('link_reason', Text, nullable=False),
        Column('class_probs', floats(), nullable=False),
        Column('feature', floats(), nullable=False),
        Column('color', floats(), nullable=False),
        Column('alternatives', IDS, nullable=False, default=(), server_default='[]'),
    ),
)

states = Table(
    'states',
    tables,
    *checked(
        Column('visit_id', Integer, ForeignKey('visits.visit_id'), primary_key=True),
        Column('object_id', Integer, primary_key=True, autoincrement=False),
        Column('state', code(ObjectState), nullable=False),
    ),
)

changes = Table(
    'changes',
    tables,
    *checked(
        Column('change_id', Integer, primary_key=True, autoincrement=False),
        Column('revision', Integer, nullable=False),
        Column('visit_id', Integer, ForeignKey('visits.visit_id'), nullable=False),
        Column('kind', code(ChangeKind), nullable=False),
        Column('object_id', Integer, nullable=False),
        Column('other_id', Integer, nullable=False),
        Column('class_name', Text, nullable=False),
        Column('confidence', Float, nullable=False),
        Column('before', BOX),
        Column('after', BOX),
        Column('after_t_before', MATRIX),
        Column('evidence_before_ns', BigInteger),
        Column('evidence_after_ns', BigInteger, nullable=False),
    ),
    Index('changes_by_revision', 'revision'),
    # Since version 3: questions read only the rows that they are about.
    Index('changes_by_visit', 'visit_id'),
    Index('changes_by_object', 'object_id'),
)

# The persistent id of every point of a processed visit, in the order of its file.
labels = Table(
    'labels',
    tables,
    *checked(
        Column('visit_id', Integer, ForeignKey('visits.visit_id'), primary_key=True),
        Column('object_ids', LABELS, nullable=False),
    ),
)

# Append-only: what was done to the memory, for people and for undo.
journal = Table(
    'journal',
    tables,
    *checked(
        Column('entry_id', Integer, primary_key=True, autoincrement=False),
        Column('revision', Integer, nullable=False),
        Column('visit_id', Integer),
        Column('action', word(JournalAction), nullable=False),
        Column('detail', JSON, nullable=False),
    ),
)

# An id that proved to be another's, for ever: object_id is older. Since version 2.
aliases = Table(
    'aliases',
    tables,
    *checked(
        Column('alias_id', Integer, primary_key=True, autoincrement=False),
        Column('object_id', Integer, nullable=False),
        Column('visit_id', Integer, nullable=False),
    ),
    Index('aliases_by_object', 'object_id'),
)  # since version 3

# What people said of an object. Since version 2.
notes = Table(
    'notes',
    tables,
    *checked(
        Column('object_id', Integer, primary_key=True, autoincrement=False),
        Column('name', Text, nullable=False, default='', server_default=''),
        Column('is_locked', FLAG, nullable=False, default=False, server_default='0'),
    ),
)

# The rows of some objects before a correction, packed. Since version 2.
undo = Table(
    'undo',
    tables,
    *checked(
        Column(
            'entry_id',
            Integer,
            ForeignKey('journal.entry_id'),
            primary_key=True,
            autoincrement=False,
        ),
        Column('before', LargeBinary, nullable=False),
    ),
)
