"""What differs between two visits, the plane that wipes one over the other, and hatched floor."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import Change, ChangeKind
from rescene4d_ros.view.browser.differences import changes_between, shown_changes
from rescene4d_ros.view.browser.drawing.arrangement import arranged
from rescene4d_ros.view.browser.drawing.cameras import look_over
from rescene4d_ros.view.browser.drawing.coverage import coverage_of
from rescene4d_ros.view.browser.drawing.labels import Camera, readable
from rescene4d_ros.view.browser.drawing.marks import marks_of, rgb_of
from rescene4d_ros.view.browser.drawing.wipe import SLABS, Wipe
from rescene4d_ros.view.browser.knowledge import knowledge_of
from rescene4d_ros.view.browser.session import Compare, first_session, views_of
from rescene4d_ros.view.outlines import MARKS
from rescene4d_ros.view.report.surroundings import CELL, NOTHING, Surroundings, VisitPoints

FIELD = np.deg2rad(75)


@pytest.fixture(scope='module')
def knowledge(home):
    """Return what a viewer knows of a table, a chair that moves and a lamp that leaves."""
    with SceneMemory.inspect(home) as memory:
        return knowledge_of(memory)


def of_kinds(knowledge, kinds):
    """Return the knowledge with one change of the chair at each visit, of these kinds."""
    moved = next(c for c in knowledge.changes if c.kind == ChangeKind.MOVED)
    changes = [
        replace(
            moved,
            kind=kind,
            visit_id=visit.visit_id,
            before=None if kind == ChangeKind.ADDED else moved.before,
            after=None if kind == ChangeKind.REMOVED else moved.after,
        )
        for kind, visit in zip(kinds, knowledge.visits, strict=True)
        if kind is not None
    ]
    contents = replace(knowledge.contents, changes=tuple(reversed(changes)))
    return replace(knowledge, contents=contents)


@pytest.mark.parametrize(
    ('kinds', 'expected'),
    [
        ((None, 'ADDED', 'MOVED'), 'ADDED'),
        ((None, 'ADDED', 'REMOVED'), None),
        ((None, 'MOVED', 'REMOVED'), 'REMOVED'),
        ((None, 'REMOVED', 'REAPPEARED'), 'MOVED'),
        ((None, 'MOVED', 'DEFORMED'), 'DEFORMED'),
        (('ADDED', None, 'MOVED'), 'MOVED'),
        ((None, None, 'MERGED'), None),
    ],
)
def test_changes_of_several_visits_are_put_together(knowledge, kinds, expected):
    """What two visits show decides, not how often an object changed between them."""
    known = of_kinds(knowledge, [k and ChangeKind[k] for k in kinds])
    found = [c.kind.name for c in changes_between(known, 0, 2).values()]
    assert found == ([expected] if expected else [])
    assert changes_between(known, 2, 0) == {}


def test_both_visits_mark_what_differs(knowledge):
    """Before, the chair and the lamp have the color of their change; now, an arrow ends."""
    session = replace(first_session(knowledge), before=0, compare=Compare.WIPE)
    changes: dict[int, Change] = shown_changes(knowledge, session)
    assert {c.kind for c in changes.values()} == {ChangeKind.MOVED, ChangeKind.REMOVED}
    views = dict(views_of(session))
    now = marks_of(knowledge, views['now'], changes)
    before = marks_of(knowledge, views['before'], changes, is_before=True)
    assert len(now.arrows) == 1
    assert before.arrows == []
    expected = {rgb_of(MARKS[c.kind][0]) for c in changes.values()}
    assert {color for _, color in before.thick} == expected
    assert all(len(edges) == 12 for edges, _ in before.thick)  # solid: they were there


@pytest.fixture
def hall():
    """Return points of a floor of 8 m by 3 m, turned by 20 degrees."""
    x, y = np.meshgrid(np.linspace(0, 8, 200), np.linspace(0, 3, 80))
    flat = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
    turn = np.deg2rad(20)
    return flat @ np.array(
        [[np.cos(turn), np.sin(turn), 0], [-np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )


def test_plane_goes_along_the_walls(hall):
    """It passes the long side, and each slab holds about as many points of an even floor."""
    wipe = Wipe.of(hall)
    assert abs(abs(wipe.along @ (np.cos(np.deg2rad(20)), np.sin(np.deg2rad(20)))) - 1) < 0.01
    assert wipe.length == pytest.approx(8, abs=0.2)
    counts = np.bincount(wipe.slab_of(hall), minlength=SLABS)
    assert counts.min() > 0.3 * len(hall) / SLABS
    assert counts.max() < 3 * len(hall) / SLABS


@pytest.mark.parametrize('share', [0.0, 0.25, 0.5, 1.0])
def test_each_segment_is_drawn_once(hall, share):
    """Both parts of all lines have their length together, and lie where their points do."""
    wipe = Wipe.of(hall)
    lines = np.random.default_rng(0).uniform((0, 0, 0), (7, 5, 1), (50, 2, 3))
    parts = [wipe.clipped(lines, share, is_behind) for is_behind in (True, False)]
    length = [np.linalg.norm(p[:, 1] - p[:, 0], axis=1).sum() for p in (*parts, lines)]
    assert length[0] + length[1] == pytest.approx(length[2])
    for is_behind, part in zip((True, False), parts):
        middle = part.mean(axis=1)
        assert all(wipe.is_behind(place, share) == is_behind for place in middle)
    if share == 0:
        assert len(parts[1]) == 0
    if share == 1:
        assert len(parts[0]) == 0


def camera_over(xyz, right=None, size=(1000, 900)):
    """Return a camera that looks over points, as a window of a size tells it."""
    window = SimpleNamespace(
        fov=FIELD, image_width=size[0], image_height=size[1], position=None, look_at=None
    )
    look_over([window], xyz, right)
    return Camera.of(window)


@pytest.mark.parametrize('size', [(1000, 900), (390, 800)])
@pytest.mark.parametrize('right', [None, np.array([0.6, 0.8])])
def test_cameras_see_all_points(hall, right, size):
    """All points are within the window, not as specks, and the wanted direction goes right."""
    camera = camera_over(hall, right, size)
    pixels, depth = camera.project(hall)
    assert (depth > 0).all()
    inside = ((pixels > 0) & (pixels < size)).all(axis=1)
    assert inside.mean() > 0.97
    is_phone = size[0] < size[1]  # there the panel covers the lower half
    free = np.array(size) * ((1, 0.5) if is_phone else (1, 1))
    assert (np.ptp(pixels, axis=0) / free).max() > 0.8
    if is_phone:
        assert np.percentile(pixels[:, 1], 98) < size[1] / 2
    if right is not None:
        ends, _ = camera.project(np.array([[0, 0, 0], np.append(right, 0)]))
        assert ends[1, 0] > ends[0, 0]
        assert abs(ends[1, 1] - ends[0, 1]) < 0.2 * (ends[1, 0] - ends[0, 0])


def test_shown_labels_do_not_cover_each_other(hall):
    """Of labels in one place the first is shown, of those behind the camera none."""
    camera = camera_over(hall)
    behind = 2 * camera.position - camera.look_at
    middle = hall.mean(axis=0)
    places = np.array([middle, middle + 0.01, hall[0], hall[-1], behind])
    assert readable(['chair'] * 5, places, camera) == [0, 2, 3]
    assert readable([], places[:0], camera) == []


def test_places_stand_beside_each_other(hall):
    """Before is to the left of now with a gap between them; the plane leaves both in place."""
    cloud = seen(hall).points
    beside = arranged({'now': cloud, 'before': cloud}, Compare.BOTH)
    low = (hall[:, :2] @ beside.right).min()
    shifted = (hall + beside.shift)[:, :2] @ beside.right
    assert shifted.max() < low
    assert set(beside.tops) == {'now', 'before'}
    wiped = arranged({'now': cloud, 'before': cloud}, Compare.WIPE)
    assert not wiped.shift.any()
    assert wiped.wipe is not None
    nothing = arranged({'now': NOTHING, 'before': NOTHING}, Compare.BOTH)
    assert nothing.right is None


def seen(xyz):
    """Return points as the viewer holds those of one visit."""
    count = len(xyz)
    return VisitPoints.of(
        Surroundings(
            xyz.astype(np.float32),
            np.zeros((count, 3), np.uint8),
            np.zeros(count, np.int64),
            np.zeros(count, np.int64),
        )
    )


def test_floor_that_was_not_seen_is_hatched():
    """Half of a floor is missing, and covered by its cells; noise at a wall is not missing."""
    x, y = np.meshgrid(np.arange(-3, 3, 0.05) + 0.02, np.arange(-3, 3, 0.05) + 0.02)
    floor = np.stack([x.ravel(), y.ravel(), np.full(x.size, 0.5)], axis=1)
    wall = np.stack([np.full(400, 3.02), np.linspace(-3, 3, 400), np.ones(400)], axis=1)
    whole, half = seen(np.concatenate([floor, wall])), seen(floor[floor[:, 0] < 0])
    coverage = coverage_of([half, whole])
    assert coverage.share == pytest.approx(0.5, abs=0.06)
    assert coverage.missing[:, 0].min() == pytest.approx(0, abs=1e-9)
    stripes = coverage.hatched()
    assert np.ptp(stripes[..., 1]) == pytest.approx(6, abs=CELL)
    assert stripes[..., 2].min() > 0.5
    cells = coverage.hatched(is_in_one=False)
    assert len(cells) == len(coverage.missing) > 4 * len(stripes)
    length = [np.linalg.norm(s[:, 1] - s[:, 0], axis=1).sum() for s in (stripes, cells)]
    assert length[0] == pytest.approx(length[1])
    assert coverage_of([seen(floor), whole]).share == 1
    assert len(coverage_of([whole, half]).missing) == 0
    assert len(coverage_of([VisitPoints.of(NOTHING)]).hatched()) == 0
    assert coverage_of([]).share == 1
