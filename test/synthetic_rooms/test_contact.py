"""Cloth, soft things and structure of lifelike rooms, and surfaces that fusion bends."""

import numpy as np
import pytest
from rescene4d_ros.config import make
from rescene4d_ros.structures import FLOOR, WALL
from rescene4d_ros.synthetic_rooms import PRESETS, RoomsConfig
from rescene4d_ros.synthetic_rooms.clutter.drape import draped
from rescene4d_ros.synthetic_rooms.clutter.forms import household_forms
from rescene4d_ros.synthetic_rooms.clutter.props import draw_prop
from rescene4d_ros.synthetic_rooms.clutter.relief import Relief
from rescene4d_ros.synthetic_rooms.clutter.rumple import rumpled
from rescene4d_ros.synthetic_rooms.config import ROOM_TYPES
from rescene4d_ros.synthetic_rooms.furniture import draw
from rescene4d_ros.synthetic_rooms.furniture.model import build
from rescene4d_ros.synthetic_rooms.handheld_scanning.color import smeared
from rescene4d_ros.synthetic_rooms.handheld_scanning.tsdf import FusedSurface
from rescene4d_ros.synthetic_rooms.handheld_scanning.undulation import undulated
from rescene4d_ros.synthetic_rooms.layout.added_structure import with_added_structure, with_slopes
from rescene4d_ros.synthetic_rooms.layout.floorplan import footprint
from rescene4d_ros.synthetic_rooms.layout.room_shell import make_room
from rescene4d_ros.synthetic_rooms.life import make_life
from rescene4d_ros.synthetic_rooms.surfaces.material import Material
from rescene4d_ros.synthetic_rooms.surfaces.mesh import box

GRAY = Material((0.5,) * 3, (0.5,) * 3)
# A room of the preset that has a slope.
SLOPED = 44


@pytest.fixture
def block():
    """Return a block of 1.0 x 0.6 x 0.5 m on which things are laid."""
    return build('block', 'table', [box((1.0, 0.6, 0.5), (0, 0, 0.25), GRAY)], 'floor')


def test_cloth_lies_on_its_carrier_and_hangs_over_the_edge(block):
    """In the middle it is on top, beyond the edge beside the block, never in it."""
    towel = draw_prop('blanket', np.random.default_rng(1))
    laid, origin = draped(towel, Relief.of(block), 0.4, 0.0, 0.3, 0.0)
    c, s = np.cos(0.3), np.sin(0.3)
    points = laid.parts[0].vertices
    points = np.column_stack([points[:, :2] @ np.array([[c, s], [-s, c]]), points[:, 2]]) + origin
    inside = (np.abs(points[:, :2]) < (0.49, 0.29)).all(axis=1)
    assert inside.any()
    assert (points[inside, 2] > 0.5).all()
    assert (points[inside, 2] < 0.5 + towel.size[2]).all()
    assert not inside.all()
    beside = np.abs(points[:, :2]) - (0.5, 0.3)
    assert beside.max() < 0.03 + towel.size[2]
    assert points[~inside, 2].min() < 0.45
    assert points[:, 2].min() >= 0.03


def test_cloth_that_is_laid_elsewhere_is_spread_out_first(block):
    """Laying it twice is the same as laying it once."""
    towel = draw_prop('towel', np.random.default_rng(1))
    relief = Relief.of(block)
    first, _ = draped(towel, relief, 0.45, 0.2, 1.0, 0.0)
    again, origin = draped(first, relief, 0.1, 0.0, 0.0, 0.0)
    once, expected = draped(towel, relief, 0.1, 0.0, 0.0, 0.0)
    assert np.allclose(origin, expected)
    assert np.allclose(again.parts[0].vertices, once.parts[0].vertices)
    assert draped(towel, relief, 3.0, 0.0, 0.0, 0.0) is None


def test_soft_things_fit_themselves_to_a_step(block):
    """What is stiff rests on the highest place, what is soft on most of what is below it."""
    parts = [*block.parts, box((0.1, 0.6, 0.3), (-0.45, 0, 0.65), GRAY)]
    relief = Relief.of(build('seat', 'sofa', parts, 'floor'))
    assert relief.rest(-0.3, 0.0, 0.4, 0.4)[0] == pytest.approx(0.8)
    soft, share = relief.rest_softly(-0.3, 0.0, 0.4, 0.4)
    assert soft == pytest.approx(0.5)
    assert share > 0.6


def test_upholstery_is_dented_and_boards_are_not():
    """The padded parts of an armchair change, all stays on the floor."""
    rng = np.random.default_rng(4)
    pillow = draw_prop('pouf', np.random.default_rng(0))
    assert rumpled(pillow, rng) is pillow  # lumpy already
    for seed in range(40):
        model = draw('stool|dining chair', np.random.default_rng(seed))
        dented = rumpled(model, rng)
        changed = [len(a.faces) != len(b.faces) for a, b in zip(model.parts, dented.parts)]
        low = min(p.vertices[:, 2].min() for p in dented.parts)
        assert low == pytest.approx(0.0, abs=1e-9)
        if any(changed):
            return
    raise AssertionError('expected a padded part among 40 chairs')


def test_undulation_has_the_asked_size_and_turns_normals():
    """A plane is bent by so many millimeters, and its normals stay square to it."""
    side = np.linspace(0, 2, 160)
    xyz = np.stack([*np.meshgrid(side, side), np.zeros((160, 160))], axis=2).reshape(-1, 3)
    normals = np.tile([0.0, 0.0, 1.0], (len(xyz), 1))
    flat = FusedSurface(xyz, normals, np.arange(len(xyz)))
    bent = undulated(flat, 0.006, 0.025, np.random.default_rng(3))
    assert np.sqrt(((bent.xyz - xyz) ** 2).mean()) == pytest.approx(0.006, rel=0.6)
    grid = bent.xyz.reshape(160, 160, 3)
    across = np.cross(grid[1:-1, 2:] - grid[1:-1, :-2], grid[2:, 1:-1] - grid[:-2, 1:-1])
    across /= np.linalg.norm(across, axis=2, keepdims=True)
    agree = (across * bent.normals.reshape(160, 160, 3)[1:-1, 1:-1]).sum(axis=2)
    assert np.median(agree) > 0.999
    assert np.degrees(np.arccos(agree.min())) < 12
    assert np.degrees(np.arccos(bent.normals[:, 2])).max() > 3


def test_motion_blurs_colors_along_the_motion_only():
    """An edge across the motion gets softer, one along it stays."""
    side = np.arange(40) * 0.01
    xyz = np.stack([*np.meshgrid(side, side), np.zeros((40, 40))], axis=2).reshape(-1, 3)
    edge = np.where(xyz[:, :1] < 0.2, 0, 240).astype(np.uint8).repeat(3, axis=1)
    along = smeared(edge, xyz, np.tile([0.0, 0.06, 0.0], (len(xyz), 1)))
    across = smeared(edge, xyz, np.tile([0.06, 0.0, 0.0], (len(xyz), 1)))
    assert np.array_equal(along, edge)
    assert {0, 80, 160, 240} == set(np.unique(across))


def test_things_stay_below_slopes_at_every_visit():
    """Whatever has its own place in a room with a slope does not reach through it."""
    config = make(RoomsConfig, {**PRESETS['lifelike'], 'max_objects': 30})
    life = make_life(SLOPED, config)
    assert life.room.slopes
    for slope in life.room.slopes:
        for p in (p for visit in life.visits for p in visit.values()):
            assert slope.is_above(footprint(p), p.z + p.model.size[2] - 0.011)


def test_rooms_behind_doors_and_pillars_are_where_nothing_is():
    """The next room lies outside, pillars inside and clear of all things."""
    pillars = next_rooms = 0
    for seed in range(12):
        rng = np.random.default_rng(seed)
        room = with_slopes(make_room(ROOM_TYPES[seed % 5], 12, rng), rng)
        before = len(room.structure)
        added = with_added_structure(room, [{}], rng).structure[before:]
        floors = [part for part, semantic in added if semantic == FLOOR]
        next_rooms += len(floors)
        for floor in floors:
            middle = floor.vertices[:, :2].mean(axis=0)
            assert not room.contains(middle[None])[0]
        for part, semantic in added:
            middle = part.vertices[:, :2].mean(axis=0)
            if semantic == WALL and room.contains(middle[None])[0]:
                pillars += 1
                assert np.ptp(part.vertices[:, 2]) == pytest.approx(room.height)
    assert pillars >= 2
    assert next_rooms >= 5


@pytest.mark.parametrize('form', ['gadget', 'filled', 'leafy', 'upright', 'wheeled'])
def test_designs_of_a_form_differ_in_shape(form):
    """Hundreds of shapes: no two of 30 designs of one form are alike beyond their size."""
    seen = set()
    for design in range(30):
        parts = getattr(household_forms, form)(
            np.random.default_rng(design), np.random.default_rng(0), (0.5, 0.4, 0.6)
        )
        every = np.concatenate([p.vertices for p in parts])
        seen.add((len(parts), *np.round(every.std(axis=0), 3)))
        assert np.isfinite(every).all()
    assert len(seen) == 30
