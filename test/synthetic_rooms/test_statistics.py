"""Statistics of sequences: spacing and noise known in closed form, changes counted by hand."""

import re

import numpy as np
import pytest
from rescene4d_ros.cli.main import main
from rescene4d_ros.data.sequences.sequence_file import write_sequence
from rescene4d_ros.data.sequences.stored_bytes import StoredBytes
from rescene4d_ros.structures import Box, ChangeKind, FLOOR, ObjectState, Scan, ScanSequence
from rescene4d_ros.structures.truth import SequenceTruth, TrueObject, VisitTruth
from rescene4d_ros.synthetic_rooms.statistics import statistics_of, statistics_table

SPACING, NOISE = 0.02, 0.003


def thing(instance_id, state, in_room, change, group=0, share=0.0):
    """Return an object of which only what is counted matters."""
    return TrueObject(
        instance_id, 2, state, in_room, np.eye(4), Box((0, 0, 0), (1, 1, 1)), change, group, share
    )


@pytest.fixture
def made():
    """Return a noisy floor that is visited twice, with five objects at the second visit."""
    u, v = np.meshgrid(np.arange(0, 2, SPACING), np.arange(0, 2, SPACING))
    z = np.random.default_rng(0).normal(0, NOISE, u.size)
    xyz = np.column_stack([u.ravel(), v.ravel(), z]).astype(np.float32)
    truth = np.zeros(len(xyz), np.int32), np.full(len(xyz), FLOOR, np.int32)
    present, absent = ObjectState.PRESENT, ObjectState.ABSENT
    first = (thing(1, present, True, ChangeKind.UNKNOWN, 1, 0.5),)
    second = (
        thing(1, present, True, ChangeKind.MOVED, 1, 0.8),
        thing(2, ObjectState.NOT_OBSERVED, True, ChangeKind.UNKNOWN),
        thing(3, present, True, ChangeKind.ADDED, 0, 0.7),
        thing(4, absent, False, ChangeKind.REMOVED),
        thing(5, absent, False, ChangeKind.UNKNOWN),
    )
    return (
        ScanSequence((Scan(xyz, 1), Scan(xyz, 2)), 'floor'),
        SequenceTruth((VisitTruth(*truth, first), VisitTruth(*truth, second))),
    )


def test_spacing_and_noise_of_a_floor(made):
    """A square grid with Gaussian noise across the plane."""
    for visit in statistics_of(*made, np.random.default_rng(1)):
        assert visit.points == 10_000
        # The nearest of four neighbors at SPACING, each a little farther by its noise.
        assert SPACING <= visit.spacing < SPACING * 1.02
        assert visit.noise == pytest.approx(NOISE, rel=0.1)


def test_objects_and_changes_are_counted(made):
    """What is out of the room counts only at the visit at which it left."""
    first, second = statistics_of(*made, np.random.default_rng(1))
    assert (first.objects, first.comparable, first.changes) == (1, 0, {})
    assert (second.objects, second.look_alikes, second.not_observed) == (3, 1, 1)
    assert second.seen_share == pytest.approx(0.5)
    assert second.comparable == 4
    assert second.changes == {ChangeKind.MOVED: 1, ChangeKind.ADDED: 1, ChangeKind.REMOVED: 1}


def test_table_sums_over_the_set(made):
    """Shares are of all objects, bytes of all points."""
    rows = [statistics_of(*made, np.random.default_rng(1))] * 2
    table = statistics_table(
        rows,
        [
            StoredBytes(100_000, 10_000, 190_000, 30_000),
            StoredBytes(140_000, 30_000, 210_000, 50_000),
        ],
        1.25,
    )
    found = dict(re.findall(r'^\| (.+?) \| (.+?) \|$', table, re.MULTILINE))
    assert found['sequences'] == '2 of 2 visits'
    assert found['objects that change from visit to visit'] == '75.0 %'
    assert found['... moved'] == '25.0 %'
    assert found['... reappeared'] == '0.0 %'
    assert found['objects in the room but not observed'] == '25.0 %'
    assert found['bytes per point'] == '6.0, of which superpoints 1.0'
    assert found['... before compression'] == '10.0, of which superpoints 2.0'
    assert found['seconds per visit on one core'] == '1.2'


def test_command_writes_statistics_and_pictures(made, tmp_path, capsys):
    """One table over all files, pictures of as many as asked for; an empty folder is told."""
    folder, out = tmp_path / 'rooms', tmp_path / 'out'
    folder.mkdir()
    command = ['rooms', 'report', str(folder), '--out', str(out), '--pictures', '1']
    assert main(command) == 2
    assert 'rooms make' in capsys.readouterr().err
    for name in ('a', 'b'):
        write_sequence(folder / f'{name}.npz', *made)
    assert main(command) == 0
    assert '| sequences | 2 of 2 visits |' in (out / 'statistics.md').read_text()
    assert {p.name for p in out.iterdir()} == {
        'comparison.jpg',
        'comparison.md',
        'sequence_01.jpg',
        'statistics.md',
    }
    assert 'statistics of the set hold' in (out / 'comparison.md').read_text()
    assert (out / 'sequence_01.jpg').read_bytes().startswith(b'\xff\xd8')
