"""What a report says, and that nothing in it comes from, or goes to, anywhere else."""

import base64
from html.parser import HTMLParser
import json
import re

import numpy as np
import pytest
from rescene4d_ros.cli.main import main
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.mask_source import GivenMasks
from rescene4d_ros.structures import Box, ChangeKind, ObjectState, SceneObject
from rescene4d_ros.view.report.contents import contents_of, Standing
from rescene4d_ros.view.report.local_time import LocalTime
from rescene4d_ros.view.report.page import ReportConfig, write_report
from rescene4d_ros.view.report.runs import runs_of
from rescene4d_ros.view.report.surroundings import Places

DAY = 86_400 * 10**9
FIRST_NS = 1_795_000_000 * 10**9  # of the first visit
SMALL = ReportConfig(points=2000, pictures=1)


class Page(HTMLParser):
    """Read the elements of a page, and the text of everything but scripts."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.links, self.text, self._inside = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        """Note a tag and what it loads."""
        self.tags.append(tag)
        self.links += [v for k, v in attrs if k in ('src', 'href', 'action', 'data', 'srcset')]
        self._inside.append(tag)

    def handle_endtag(self, tag):
        """Note the end of a script."""
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data):
        """Note text that people see."""
        if not {'script', 'style'} & set(self._inside):
            self.text.append(' '.join(data.split()))


@pytest.fixture
def memory(home):
    """Return the memory, open for reading."""
    with SceneMemory.inspect(home) as memory:
        yield memory


def written(memory, path, since_ns=None):
    """Return the text of a small report in the time of Berlin."""
    clock = LocalTime.named('Europe/Berlin')
    write_report(memory, path, since_ns, FIRST_NS + 9 * DAY, clock, SMALL)
    return path.read_text()


def test_contents_answer_what_people_ask(memory):
    """What changed since when, what is gone since when, which change is least sure."""
    contents = contents_of(memory)
    assert (contents.since_ns, contents.until_ns) == (FIRST_NS + DAY, FIRST_NS + 2 * DAY)
    assert {c.kind for c in contents.changes} == {ChangeKind.MOVED, ChangeKind.REMOVED}
    assert contents.least_sure.confidence == min(c.confidence for c in contents.changes)
    (lamp,) = contents.standing(Standing.GONE)
    assert (lamp.item.name, lamp.since_ns) == ('lamp', FIRST_NS + 2 * DAY)
    assert contents.standing(Standing.NOT_SEEN) == ()
    chair = next(o for o in contents.objects.values() if o.item.class_name == 'chair')
    table = next(o for o in contents.objects.values() if o.item.class_name == 'table')
    assert chair.since_ns == FIRST_NS + 2 * DAY
    assert chair.neighbor_id == table.item.object_id
    assert table.since_ns == FIRST_NS
    assert lamp.item.object_id in contents.there_at(FIRST_NS + DAY)
    assert lamp.item.object_id not in contents.there_at(FIRST_NS + 2 * DAY)
    assert [v.warns for v in contents.visits] == [True, False, False]
    assert contents_of(memory, FIRST_NS + 2 * DAY).changes == ()


def test_visits_that_observed_nothing_change_nothing():
    """An object that was found gone stays gone while other places are visited."""
    states = (
        (1, ObjectState.PRESENT),
        (2, ObjectState.NOT_OBSERVED),
        (3, ObjectState.ABSENT),
        (4, ObjectState.NOT_OBSERVED),
        (5, ObjectState.ABSENT),
    )
    box = Box((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
    item = SceneObject(1, 0, 'chair', 1.0, ObjectState.ABSENT, box, 10, 10, states=states)
    stamps = {visit: 10 * visit for visit in range(1, 6)}
    runs = runs_of(item, stamps)
    assert runs.at(25) == (ObjectState.PRESENT, 10)
    assert runs.at(60) == (ObjectState.ABSENT, 30)
    assert runs.at(5) is None


def test_places_are_as_the_newest_visit_shows_them(memory):
    """The chair is where it stood at the time, once; the lamp is there until it is gone."""
    contents = contents_of(memory)
    places = Places(memory, contents, 0.03)
    before, now = places.at(contents.since_ns), places.at(contents.until_ns)
    ids = {o.item.class_name: i for i, o in contents.objects.items()}
    for points, x in ((before, 0.825), (now, 2.425)):
        chair = points.xyz[points.object_id == ids['chair']]
        assert abs(np.median(chair[:, 0]) - x) < 0.1
        assert np.ptp(chair[:, 0]) < 0.6
    assert (before.object_id == ids['otherfurniture']).any()
    assert not (now.object_id == ids['otherfurniture']).any()
    assert len(places.at(FIRST_NS - 1)) == 0


def test_page_needs_nothing_else_and_shows_names_as_text(memory, tmp_path):
    """No link leads out, no name of a stranger becomes an element, the answers are in words."""
    text = written(memory, tmp_path / 'new' / 'report.html')
    page = Page(text)
    assert page.tags.count('script') == 3  # the figure's data, plotly, ours
    assert all(link.startswith(('#', 'data:image/')) for link in page.links)
    said = ' '.join(page.text)
    assert '<script>document.title="taken"</script><b>&amp; (chair)' in said
    for answer in (
        'After Thu 2026-11-19 12:06',
        'Europe/Berlin (UTC+01:00)',
        'between Thu 2026-11-19 12:06 and Fri 2026-11-20 12:06',
        'moved 1.61 m',
        'overlap: expected at least 40 %, got 31 %',
    ):
        assert answer in said
    least = contents_of(memory).least_sure
    assert re.search(rf'least sure: [^#]*\({least.class_name}\) #{least.object_id}\b', said)
    figure = text.split('<script type="application/json"')[1].split('</script>')[0]
    assert 'taken' in figure  # under the pointer
    assert '<' not in figure
    assert len(text) < 8e6


def test_zones_are_columns_outlines_and_a_choice(zoned, tmp_path):
    """Objects and changes say their zone; names of strangers stay names; the figure has lines."""
    with SceneMemory.inspect(zoned) as memory:
        contents = contents_of(memory)
        text = written(memory, tmp_path / 'report.html')
    (lamp,) = contents.standing(Standing.GONE)
    assert lamp.zones == ('corner',)
    page = Page(text)
    assert page.tags.count('option') == 3
    assert page.tags.count('script') == 3
    assert text.count("""data-zones='["corner"]'""") == 2  # the change and the object
    traces = json.loads(text.split('id="figure-data">')[1].split('</script>')[0])['data']
    assert [t.get('name') for t in traces if t.get('meta') == 'zones'][0] == 'zones'
    (zoned / 'zones.yaml').rename(zoned / 'kept')
    (zoned / 'zones.yaml').write_text('[')
    with SceneMemory.inspect(zoned) as memory:
        said = ' '.join(Page(written(memory, tmp_path / 'report.html')).text)
    (zoned / 'kept').rename(zoned / 'zones.yaml')
    assert 'Zones are left out: ' in said


def test_figure_is_bounded(memory, tmp_path):
    """No more points than asked for, now and before."""
    text = written(memory, tmp_path / 'report.html')
    data = text.split('id="figure-data">')[1].split('</script>')[0]
    traces = json.loads(data)['data']
    for names in (('seen since then', 'not seen since then'), ('before',)):
        clouds = [t['x'] for t in traces if t.get('name') in names]
        count = sum(len(base64.b64decode(x['bdata'])) // 4 for x in clouds if 'bdata' in x)
        assert count == 2000


def test_memory_without_visits(tmp_path):
    """There is a page, and it says that nothing changed."""
    with SceneMemory.open(tmp_path / 'm', 'map', 'map', GivenMasks().class_names) as memory:
        said = ' '.join(Page(written(memory, tmp_path / 'report.html')).text)
    assert 'No change was found.' in said


def test_times_follow_the_clocks_of_their_zone():
    """Summer time is that of the day, not that of now; a zone that is not known is refused."""
    clock = LocalTime.named('Europe/Berlin')
    summer = 1_782_000_000 * 10**9
    assert clock.text(summer) == 'Sun 2026-06-21 02:00'
    assert clock.name(summer) == 'Europe/Berlin (UTC+02:00)'
    assert clock.name(FIRST_NS) == 'Europe/Berlin (UTC+01:00)'
    assert LocalTime.named('UTC').text(FIRST_NS) == 'Wed 2026-11-18 11:06'
    with pytest.raises(ConfigError, match='expected a time zone'):
        LocalTime.named('../../etc/passwd')


def test_command(home, tmp_path, capsys):
    """A date is of the zone that is asked for; a folder that is none is refused."""
    out = tmp_path / 'report.html'
    small = ['--points', '1000', '--pictures', '0', '--zone', 'Asia/Tokyo', '--out', str(out)]
    assert main(['report', str(home), '--since', '2026-11-19T20:06', *small]) == 0
    assert '2 changes after Thu 2026-11-19 20:06' in capsys.readouterr().out
    assert main(['report', str(home), '--since', 'the 20th of November 2026', *small]) == 0
    assert '2 changes after Fri 2026-11-20 00:00' in capsys.readouterr().out
    assert main(['report', str(home), '--since', 'Tuesdy', *small]) == 2
    assert 'expected a moment' in capsys.readouterr().err
    assert main(['report', str(home), *small[:-1], str(tmp_path)]) == 2
    assert main(['report', str(tmp_path / 'none'), *small]) == 2
