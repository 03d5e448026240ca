"""What a viewer shows of the toy room: objects per visit, filters, moves, what a click hits."""

from dataclasses import replace
import shutil

import numpy as np
import pytest
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.structures import Box
from rescene4d_ros.view.browser.differences import shown_changes
from rescene4d_ros.view.browser.drawing.coloring import colors_by
from rescene4d_ros.view.browser.drawing.coverage import coverage_of
from rescene4d_ros.view.browser.drawing.lines import edges, hit
from rescene4d_ros.view.browser.drawing.marks import marks_of, SELECTED
from rescene4d_ros.view.browser.drawing.points import places_of
from rescene4d_ros.view.browser.drawing.zones import zone_marks
from rescene4d_ros.view.browser.knowledge import knowledge_of, state_of
from rescene4d_ros.view.browser.panel.object_page import object_page
from rescene4d_ros.view.browser.panel.timeline import change_rows, least_sure_row, timeline
from rescene4d_ros.view.browser.session import (
    ColorBy,
    Compare,
    first_session,
    fitted,
    listed,
    Standing,
    standing_of,
)
from rescene4d_ros.view.browser.since import since_choices
from rescene4d_ros.view.report.local_time import LocalTime
from rescene4d_ros.view.report.surroundings import Places

UTC = LocalTime.named('UTC')


@pytest.fixture(scope='module')
def knowledge(home):
    """Return what a viewer knows of a table, a chair that moves and a lamp that leaves."""
    with SceneMemory.inspect(home) as memory:
        return knowledge_of(memory)


@pytest.fixture
def session(knowledge):
    """Return the session at the beginning."""
    return first_session(knowledge)


@pytest.fixture
def ids(knowledge):
    """Return the id of each object by its class."""
    return {o.item.class_name: i for i, o in knowledge.contents.objects.items()}


def classes(rows):
    """Return the classes of listed objects."""
    return {p.item.class_name for p in rows}


def marked(knowledge, session):
    """Return the marks of the visit that a session shows."""
    return marks_of(knowledge, session, shown_changes(knowledge, session))


def test_each_visit_shows_its_own_places(knowledge, session, ids):
    """The chair is at its old place before it moved, and the lamp is gone only afterwards."""
    assert session.visit == 2
    assert session.before == 1
    now = {p.object_id: p for p in listed(knowledge, session)}
    old = {p.object_id: p for p in listed(knowledge, replace(session, visit=0))}
    moved = np.subtract(now[ids['chair']].box.center, old[ids['chair']].box.center)
    assert np.allclose(moved[:2], (1.6, -0.2), atol=0.1)
    assert now[ids['chair']].since_ns == knowledge.visits[2].stamp_ns
    assert old[ids['chair']].since_ns == knowledge.visits[0].stamp_ns
    assert standing_of(now[ids['otherfurniture']]) == Standing.GONE
    assert standing_of(old[ids['otherfurniture']]) == Standing.THERE
    before = replace(session, compare=Compare.BEFORE)
    assert {standing_of(p) for p in listed(knowledge, before)} == {Standing.THERE}


def test_search_and_filters(knowledge, session, ids):
    """Words of names and states, ids, class, state, and changes since a visit, all together."""
    every = {'table', 'chair', 'otherfurniture'}
    assert classes(listed(knowledge, session)) == every
    for fields, expected in (
        ({'search': 'LAMP'}, {'otherfurniture'}),
        ({'search': 'gone'}, {'otherfurniture'}),
        ({'search': f'#{ids["table"]}'}, {'table'}),
        ({'search': 'lamp there'}, set()),
        ({'search': '#'}, set()),
        ({'search': f' #{ids["table"]}', 'class_name': 'chair', 'since': 1}, {'table'}),
        ({'class_name': 'chair'}, {'chair'}),
        ({'standing': Standing.THERE}, {'table', 'chair'}),
        ({'since': 1}, {'chair', 'otherfurniture'}),
        ({'since': 2}, set()),
        ({'since': -1}, {'chair', 'otherfurniture'}),
        ({'since': 1, 'standing': Standing.THERE}, {'chair'}),
    ):
        assert classes(listed(knowledge, replace(session, **fields))) == expected, fields


def test_zones_narrow_objects_and_changes(zoned, ids):
    """By filter and by words; a change counts where the object was, and where it is."""
    with SceneMemory.inspect(zoned) as memory:
        known = knowledge_of(memory)
    session = first_session(known)
    lamp, east = (zone.name for zone in known.zones)
    for fields, expected in (
        ({'zone': lamp}, {'otherfurniture'}),
        ({'zone': east}, {'chair'}),
        ({'zone': east, 'visit': 1}, set()),
        ({'search': 'corner'}, {'otherfurniture'}),
        ({'search': 'corner there'}, set()),
    ):
        assert classes(listed(known, replace(session, **fields))) == expected, fields
    (row,) = change_rows(known, UTC, zone=lamp)
    assert f'#{ids["otherfurniture"]}' in row.text
    assert row.hint.endswith(', corner')
    assert timeline(known, 2, UTC, lamp).count('<rect') == 1
    chosen = replace(session, zone=east)
    assert fitted(chosen, known) == chosen
    assert fitted(replace(session, zone='cellar'), known).zone is None
    page = object_page(known, ids['otherfurniture'], 2, UTC, lambda *_: None)
    assert 'zone</th><td>corner' in page


def test_only_the_points_of_a_zone_are_drawn(zoned):
    """Points, and the floor that a visit did not see, are those of the chosen zone."""
    with SceneMemory.inspect(zoned) as memory:
        known = knowledge_of(memory)
        places = Places(memory, known.contents, 0.03)
        session = replace(first_session(known), zone='corner')
        cloud = places_of(known, places, session, None)
        visits = places.read_before(known.visits[2].stamp_ns)
    assert len(cloud) > 100
    assert (cloud.xyz[:, :2] >= (0, 1.8)).all()
    assert (cloud.xyz[:, :2] <= (1, 3)).all()
    zone = known.zone('corner')
    missing = coverage_of(visits, zone).missing
    assert zone.covers(missing + 0.15).all()


def test_zones_are_drawn_on_the_floor(zoned):
    """All of them, or the chosen one; each edge once, with the name in the middle."""
    with SceneMemory.inspect(zoned) as memory:
        zones = knowledge_of(memory).zones
    marks = zone_marks(zones, None, 0.1)
    assert [m.name for m in marks] == [z.name for z in zones]
    assert not any(m.is_chosen for m in marks)
    assert np.allclose(marks[0].place, (0.5, 2.4, 0.13))
    assert marks[0].lines.shape == (4, 2, 3)
    (chosen,) = zone_marks(zones, 'corner', 0.1)
    assert chosen.is_chosen


def test_zones_that_cannot_be_read_are_told(zoned, tmp_path):
    """The rest is shown; zones that are written anew are another state of the memory."""
    folder = shutil.copytree(zoned, tmp_path / 'memory')
    with SceneMemory.inspect(folder) as memory:
        known = knowledge_of(memory)
        assert state_of(memory) == known.state
        (folder / 'zones.yaml').write_text('kitchen: 4')
        assert state_of(memory) != known.state
        broken = knowledge_of(memory)
    assert broken.zones == ()
    assert 'polygon' in broken.contents.zones_fault
    assert len(listed(broken, first_session(broken))) == 3


def test_marks_tell_what_changed(knowledge, session, ids):
    """The move has an arrow, gone things are drawn where they were, and only at that visit."""
    marks = marked(knowledge, session)
    texts = {i: text for i, text, _ in marks.labels}
    assert texts[ids['chair']].startswith('→')
    assert texts[ids['otherfurniture']] == f'× #{ids["otherfurniture"]} lamp'
    assert texts[ids['table']] == f'#{ids["table"]} table'
    ((path, _),) = marks.arrows
    assert np.allclose(path[1] - path[0], (1.6, -0.2, 0), atol=0.1)
    assert len(marks.thin) == 1
    before = marked(knowledge, replace(session, visit=1))
    assert before.arrows == []
    assert not before.thick
    assert len(before.thin) == 3


def test_changes_since_a_visit_are_marked(knowledge, session, ids):
    """What earlier visits found since then is marked, too, not only what the shown one found."""
    calm = replace(session, visit=1)
    assert shown_changes(knowledge, calm) == {}
    known = replace(knowledge, visits=knowledge.visits[1:])  # the changes are those of the last
    for at, since in ((known, None), (known, 0), (knowledge, 0), (knowledge, 2)):
        shown = replace(session, visit=len(at.visits) - 1, since=since)
        assert set(shown_changes(at, shown)) == {ids['chair'], ids['otherfurniture']}
    later = replace(knowledge.visits[2], visit_id=9)
    extra = replace(knowledge, visits=(*knowledge.visits, later))
    assert shown_changes(extra, replace(session, visit=3)) == {}
    assert len(shown_changes(extra, replace(session, visit=3, since=1))) == 2


def test_selected_object_is_drawn_even_when_filtered(knowledge, session, ids):
    """A filter hides the others, not the object whose page is open."""
    only = replace(session, class_name='table', selected=ids['chair'])
    marks = marked(knowledge, only)
    assert {i for i, _ in marks.boxes} == {ids['table'], ids['chair']}
    assert [color for _, color in marks.thick].count(SELECTED) == 1


def test_selected_and_changed_objects_are_labeled_first(knowledge, session, ids):
    """What is labeled last is left out where labels would cover each other."""
    chosen = replace(session, selected=ids['table'])
    assert [i for i, _, _ in marked(knowledge, chosen).labels][0] == ids['table']
    assert [i for i, _, _ in marked(knowledge, session).labels][-1] == ids['table']
    off = replace(chosen, labels=False)
    assert [i for i, _, _ in marked(knowledge, off).labels] == [ids['table']]


def test_session_outlives_what_it_shows(knowledge, session):
    """After a deletion nothing is selected that is no more."""
    lost = replace(session, visit=9, before=8, since=7, selected=99, class_name='sofa')
    assert fitted(lost, knowledge) == replace(session, before=2, since=2)


def test_object_page_holds_names_as_text(knowledge, session, ids):
    """History, changes, reasons and pictures are there; a name of markup stays a name."""
    asked = []

    def picture(object_id, visit_id, box):
        asked.append((object_id, visit_id, box))
        return 'data:image/webp;base64,AAAA'

    page = object_page(knowledge, ids['chair'], session.visit, UTC, picture)
    assert '<script>' not in page
    assert '&lt;script&gt;' in page
    assert 'moved 1.6' in page
    assert page.count('<img') == 3
    assert asked[0][:2] == (ids['chair'], knowledge.visits[2].visit_id)
    assert 'Why it is this object' in page
    lamp = object_page(knowledge, ids['otherfurniture'], session.visit, UTC, lambda *_: None)
    assert 'last seen</th><td>Thu 2026-11-19' in lamp
    assert 'found gone</th><td>Fri 2026-11-20' in lamp
    assert '<img' not in lamp


def test_changes_along_time(knowledge, ids):
    """One column per visit, one row per change; the newest first, the least sure is named."""
    picture = timeline(knowledge, 2, UTC)
    assert picture.count('<circle') == 3
    assert picture.count('<rect') == len(knowledge.changes) == 2
    rows = change_rows(knowledge, UTC)
    (least,) = least_sure_row(rows, knowledge)
    assert knowledge.changes[least.key] == knowledge.contents.least_sure
    assert least.text.startswith('Least sure')
    assert change_rows(knowledge, UTC, since=1) == rows
    assert least_sure_row(change_rows(knowledge, UTC, since=2), knowledge) == []
    assert {f'#{ids["chair"]}', f'#{ids["otherfurniture"]}'} <= set(
        ' '.join(row.text for row in rows).split()
    )


def test_since_when_in_words(knowledge):
    """Days begin where the clock says; the visits are of Wed, Thu and Fri at 11:06."""
    sunday = knowledge.visits[2].stamp_ns + 2 * 86_400 * 10**9
    found = since_choices(knowledge, UTC, sunday)
    assert list(found)[:9] == [
        'today',
        'yesterday',
        'Friday',
        'Thursday',
        'Wednesday',
        'Tuesday',
        'Monday',
        'this week',
        'last week',
    ]
    assert [found[w] for w in ('today', 'Friday', 'Thursday', 'Wednesday')] == [2, 1, 0, -1]
    assert found['last month'] == -1
    assert list(found.items())[-1] == ('Fri 2026-11-20 11:06, visit 3', 2)
    far_east = since_choices(knowledge, LocalTime.named('Pacific/Auckland'), sunday)
    assert far_east['yesterday'] == 2  # 00:06 on Monday there
    assert [far_east[w] for w in ('Saturday', 'Friday', 'this week')] == [1, 0, 2]
    assert change_rows(knowledge, UTC, found['Friday']) == change_rows(knowledge, UTC)
    assert change_rows(knowledge, UTC, found['today']) == []
    assert change_rows(knowledge, UTC, since=-1) == change_rows(knowledge, UTC)


def test_colors_by_each_meaning(knowledge, session):
    """States differ, and what is new at its place differs from what has long been there."""
    rows = listed(knowledge, session)
    stamp = knowledge.visits[session.visit].stamp_ns
    for color_by in ColorBy:
        assert set(colors_by(rows, color_by, stamp)) == {p.object_id for p in rows}
    assert len(set(colors_by(rows, ColorBy.STATE, stamp).values())) == 2
    assert len(set(colors_by(rows, ColorBy.AGE, stamp).values())) == 2


def test_click_hits_the_first_box_or_what_stands_before_it():
    """From above: the lamp on the table, the table beside it, nothing beyond, none around us."""
    table = Box((0, 0, 0.4), (2.0, 1.0, 0.8), 0.5)
    lamp = Box((0, 0, 1.0), (0.2, 0.2, 0.3))
    cup = Box((0.5, 0.2, 0.7), (0.1, 0.1, 0.2))
    down = np.array([0.0, 0.0, -2.0])
    boxes = [table, lamp, cup]
    assert hit(boxes, np.array([0, 0, 5.0]), down) == 1
    assert hit(boxes, np.array([0.8, 0.4, 5.0]), down) == 0
    assert hit(boxes, np.array([0.5, 0.2, 5.0]), down) == 2
    assert hit(boxes, np.array([5.0, 0, 5.0]), down) is None
    assert hit([table], np.array(table.center), down) is None
    assert hit([], np.zeros(3), down) is None


def test_dashes_lie_on_the_edges():
    """Dashed edges cover about half of the solid ones, and reach the same corners."""
    box = Box((1, 2, 3), (1.0, 0.5, 2.0), 0.3)
    solid, dashed = edges(box), edges(box, is_dashed=True)
    assert len(solid) == 12
    assert len(edges(box, is_crossed=True)) == 14
    length = [np.linalg.norm(e[:, 1] - e[:, 0], axis=1).sum() for e in (solid, dashed)]
    assert 0.4 < length[1] / length[0] < 0.7
    assert np.allclose(np.ptp(dashed.reshape(-1, 3), axis=0), np.ptp(solid.reshape(-1, 3), axis=0))
