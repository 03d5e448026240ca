"""The population of Persist4D's Protocol-B: masters in three orders, at common prefixes."""

import json

import numpy as np
import pytest
from rescene4d_ros.cli.main import main
from rescene4d_ros.data.sequences.sequence_file import read_sequence, room_of, write_sequence
from rescene4d_ros.evaluation.protocols import PROTOCOLS, reordered, write_units
from rescene4d_ros.structures import ObjectState

TABLE = 2


@pytest.fixture
def masters(case, places, tmp_path):
    """Return a folder of rooms cut as masters: of six and of five visits, and one too short."""
    folder = tmp_path / 'masters'
    folder.mkdir()
    without = {i: xy for i, xy in places.items() if i != TABLE}
    visits = (places, without, places, without, places, without)
    for name, room, n in (
        ('scene0001_a', 'scene0001', 6),
        ('scene0002_a', 'scene0002', 5),
        ('scene0003_a', 'scene0003', 4),
    ):
        made = case(*visits[:n], name=name)
        path = folder / f'{name}.npz'
        write_sequence(path, made.sequence, made.truth, notes={'room': room, 'source': 'made'})
    return folder


def test_units_are_the_same_visits_in_three_orders(masters, tmp_path):
    paths = [masters / 'scene0001_a.npz']
    units = write_units(paths, PROTOCOLS['persist4d-b'], tmp_path / 'units')
    read = [read_sequence(u) for u in units]
    clouds = [[scan.xyz.tobytes() for scan in sequence.scans] for sequence, _ in read]
    whole = [scan.xyz.tobytes() for scan in read_sequence(paths[0])[0].scans]
    assert clouds[0] == whole[:5]
    assert clouds[1] == clouds[0][::-1]
    assert sorted(clouds[2]) == sorted(clouds[0])
    assert clouds[2] not in (clouds[0], clouds[1])
    for sequence, truth in read:
        assert (np.diff([s.stamp_ns for s in sequence.scans]) > 0).all()
        for scan, visit in zip(sequence.scans, truth.visits):
            assert len(visit.instance) == len(scan)
    assert {room_of(u) for u in units} == {'scene0001'}
    before = [u.stat().st_mtime_ns for u in units]
    write_units(paths, PROTOCOLS['persist4d-b'], tmp_path / 'units')
    assert [u.stat().st_mtime_ns for u in units] == before


def test_in_another_order_an_object_is_known_from_where_it_is_shown(case, places):
    without = {i: xy for i, xy in places.items() if i != TABLE}
    truth = reordered(case(without, places, without).truth, [2, 1, 0])
    known = [{o.instance_id: o for o in v.objects} for v in truth.visits]
    assert TABLE not in known[0]
    assert known[1][TABLE].state == ObjectState.PRESENT
    assert known[2][TABLE].state == ObjectState.NOT_OBSERVED


@pytest.mark.slow
def test_the_command_scores_all_prefixes_of_the_same_units(masters, weights, tmp_path, capsys):
    out = tmp_path / 'out'
    arguments = ['evaluate', '--data', str(masters), '--weights', str(weights), '--out', str(out)]
    arguments += ['--device', 'cpu', '--torch-threads', '1', '--protocol', 'persist4d-b']
    arguments += ['--methods', 'memory_oracle_masks', '--min-region', '20']
    assert main(arguments) == 0
    document = json.loads((out / 'protocol.json').read_text())
    assert (document['masters'], document['units'], document['draws']) == (2, 6, 10_000)
    assert list(document['prefixes']) == ['2', '3', '4', '5']
    for visits, found in document['prefixes'].items():
        assert found['rooms'] == 2
        scores = found['methods']['memory_oracle_masks']
        assert scores['t_map'] == pytest.approx(1.0)
        assert scores['id_switch_rate'] == 0
        assert (scores['gap_recovery_recall'] is None) == (visits == '2')
        assert found['intervals']['memory_oracle_masks']['t_map'] == pytest.approx([1.0, 1.0])
        assert set(found['without_room']) == {'scene0001', 'scene0002'}
    assert '2 masters, 6 units, 2 rooms' in capsys.readouterr().out
    assert main([*arguments, '--visits', '3']) != 0
