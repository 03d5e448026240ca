"""The origin of a map's coordinates, and what was found of its visits' clouds, are kept."""

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.errors import DuplicateVisitError, ScanError
from rescene4d_ros.memory.database import schema
from rescene4d_ros.memory.export import objects_document
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import Finding, Scan, Severity
from sqlalchemy import delete

ORIGIN = (691000.0, 5334000.0, 0.0)
FOUND = Finding('stray_points', Severity.INFO, '1 of 9 points', 'none', 'they are dropped')


def scan(stamp_ns, **more):
    """Return a small scan."""
    return Scan(np.eye(3, dtype=np.float32), stamp_ns, **more)


def test_the_first_visit_gives_the_origin(tmp_path):
    """Others with another one are refused; it comes back with points and documents."""
    with SceneMemory.open(tmp_path, 'map', 'map', ('chair',)) as memory:
        assert memory.origin is None
        visit = memory.add_visit(scan(1, origin=ORIGIN))
        assert memory.origin == ORIGIN
        with pytest.raises(ScanError, match='read the cloud with the origin of the map'):
            memory.add_visit(scan(2))
    with SceneMemory.inspect(tmp_path) as memory:
        assert memory.origin == ORIGIN
        assert memory.scan(visit.visit_id).origin == ORIGIN
        assert objects_document(memory.snapshot())['origin'] == list(ORIGIN)


def test_a_memory_without_origin_is_near_zero(tmp_path):
    """As those that were filled before origins were known."""
    with SceneMemory.open(tmp_path, 'map', 'map', ('chair',)) as memory:
        memory.add_visit(scan(1))
        with memory.database.writing() as connection:
            connection.execute(delete(schema.meta).where(schema.meta.c.key == 'origin'))
    with SceneMemory.open(tmp_path, 'map', 'map', ('chair',)) as memory:
        assert memory.origin == (0, 0, 0)
        with pytest.raises(ScanError, match='origin'):
            memory.add_visit(scan(2, origin=ORIGIN))
        memory.add_visit(scan(3))
        assert memory.metadata.origin == (0, 0, 0)


def test_findings_are_kept_with_the_visit(tmp_path):
    """In the journal for people, beside the points for a rebuild."""
    with SceneMemory.open(tmp_path, 'map', 'map', ('chair',)) as memory:
        memory.add_visit(scan(1, findings=(FOUND,)))
        memory.add_visit(scan(2))
    with SceneMemory.inspect(tmp_path) as memory:
        assert memory.findings() == {1: (FOUND,), 2: ()}
        assert memory.scan(1).findings == (FOUND,)
        assert memory.scan(2).findings == ()


def test_files_of_usual_scans_are_as_ever(tmp_path):
    """Their names are hashes of their bytes, and caches go by these."""
    with SceneMemory.open(tmp_path, 'map', 'map', ('chair',)) as memory:
        plain = memory.files.write(scan(1))
        assert memory.files.write(replace(scan(1), origin=(0.0, 0.0, 0.0), findings=())) == plain
        assert memory.files.write(scan(1, origin=ORIGIN)) != plain


def test_a_failed_visit_says_how_its_stamp_is_freed(tmp_path):
    """For the mended cloud."""
    with SceneMemory.open(tmp_path, 'map', 'map', ('chair',)) as memory:
        visit = memory.add_visit(scan(1, name='bad'))
        with pytest.raises(DuplicateVisitError, match='a visit is sent once'):
            memory.add_visit(scan(1, name='good'))
        memory.fail(visit.visit_id, 'outliers')
        with pytest.raises(DuplicateVisitError, match='rescene4d memory delete-visit'):
            memory.add_visit(scan(1, name='good'))
