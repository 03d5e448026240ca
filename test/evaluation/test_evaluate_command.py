"""`rescene4d evaluate` on small sequence files: its outputs, and how it goes on after a stop."""

from collections import Counter
from dataclasses import replace
import json
import os
from pathlib import Path
import shlex
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
from PIL import Image
import pytest
from rescene4d_ros.cli.evaluate.evaluation_data import find_data
from rescene4d_ros.cli.main import main
from rescene4d_ros.data.sequences.sequence_file import read_sequence, write_sequence
from rescene4d_ros.errors import ConfigError, FileFormatError, StorageError
from rescene4d_ros.evaluation import compare, ComparisonConfig, METHODS, Plan, ResultsFolder
from rescene4d_ros.evaluation.runs import compare_sequence, read_case
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.inference.weights_file import save_weights, weights_hash, WeightsInfo
from rescene4d_ros.metrics import ScoreRules
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.segmenter import ReScene4D
from rescene4d_ros.structures import ScanSequence
from rescene4d_ros.structures.truth import SequenceTruth
from rescene4d_ros.synthetic_rooms.sets import SETS

KEYS = (
    't_map t_map50 t_map25 map map50 map25 t_mrec t_mrec_by_change id_switch_rate '
    'fragmentation_rate merge_rate gap_recovery_recall gap_recovery_accuracy '
    'gap_attempt_coverage false_reactivation_rate change_precision change_recall change_f1 '
    'false_change_rate unobserved_as_removed_rate in_place_as_removed_rate '
    'move_error_cm_median move_error_deg_median'
).split()
FEW = ('pairwise', 'memory_oracle_masks')


@pytest.fixture
def command(data, weights, tmp_path):
    """Return the arguments of a run that finds something with an untrained network."""

    def arguments(*more, out='out'):
        return [
            'evaluate',
            '--data',
            str(data),
            '--weights',
            str(weights),
            '--out',
            str(tmp_path / out),
            '--device',
            'cpu',
            '--torch-threads',
            '1',
            '--score-threshold',
            '0.0',
            *map(str, more),
        ]

    return arguments


@pytest.fixture
def plan(weights, tmp_path):
    """Return the function that makes a plan with the same network."""

    def planned(folder, methods=FEW):
        inference = InferenceConfig(
            weights=str(weights), device='cpu', torch_threads=1, score_threshold=0.0
        )
        return Plan(
            methods,
            inference,
            ComparisonConfig(),
            ScoreRules(min_region=20),
            ResultsFolder(tmp_path / folder),
            time.perf_counter,
        )

    return planned


def same_but_time(document):
    """Return the document without what differs from run to run."""
    other = ('seconds', 'command', 'jobs', 'torch_threads')
    return {k: v for k, v in document.items() if not k.startswith(other)}


def test_everything_is_written_and_shown(command, data, weights, tmp_path, capsys):
    """All methods, keys, origins and pictures; the scores are those of `rescene4d score`."""
    assert main(command('--t-sim')) == 0
    shown = capsys.readouterr().out
    document = json.loads((tmp_path / 'out' / 'metrics.json').read_text())
    assert list(document['methods']) == list(METHODS)
    for name, scores in document['methods'].items():
        assert set(KEYS) <= set(scores), name
    assert document['methods']['memory_oracle_masks']['t_map'] == 1.0
    assert document['methods']['memory_oracle_masks']['gap_recovery_recall'] == 1.0
    assert document['weights_hash'] == weights_hash(weights)
    assert {'commit', 'device', 'data_sha256', 'seconds', 'libraries'} <= set(document)
    assert document['command'] == shlex.join(['rescene4d', *command('--t-sim')])
    assert document['data_is_as_recorded'] is None
    assert (document['sequences'], document['rooms']) == (2, 2)
    assert set(document['seconds_by_visits']['joint']) == {'2', '3'}
    assert set(shown.split()) >= {'t_map50', 'id_switch_rate', 'change_f1', 't_sim', '1.000'}
    network = document['network']
    assert (network['sequences'], network['instances'], network['left_out']) == (2, 5, 1)
    assert -1 <= network['t_sim'] <= 1
    assert network['t_sim_other'] is None  # one thing of each class
    for name in (
        'precision_recall',
        'change_confusion',
        'change_calibration',
        'cost',
        'identities_a',
        'identities_b',
    ):
        assert np.unique(np.array(Image.open(tmp_path / 'out' / f'{name}.png'))).size > 20
    check_tables((tmp_path / 'out' / 'metrics.md').read_text(), document)
    for name in ('joint', 'memory_oracle_masks'):
        predictions = tmp_path / 'out' / 'predictions' / name
        assert (
            main(
                [
                    'score',
                    '--pred',
                    str(predictions),
                    '--truth',
                    str(data),
                    '--name',
                    name,
                    '--json',
                    str(tmp_path / 'score.json'),
                ]
            )
            == 0
        )
        scored = json.loads((tmp_path / 'score.json').read_text())
        for part in ('methods', 'intervals', 'identity_by_split'):
            assert scored[part][name] == document[part][name]
        assert scored['data_sha256'] == document['data_sha256']


def check_tables(text, document):
    """Compare the tables to quote with the file: command, methods, scores and intervals."""
    assert document['command'] in text
    assert document['weights_hash'] in text
    rows = [
        [cell.strip() for cell in line.strip('|').split('|')]
        for line in text.splitlines()
        if line.startswith('|')
    ]
    head = next(k for k, row in enumerate(rows) if row[0] == 'segmentation')
    assert rows[head + 1] == ['---'] + ['--:'] * (len(rows[head]) - 1)
    for offset, name in enumerate(METHODS, 2):
        row = dict(zip(rows[head], rows[head + offset]))
        assert row['segmentation'] == name
        for key in ('t_map', 'map50'):
            value, ends = document['methods'][name][key], document['intervals'][name][key]
            assert row[key] == f'{value:.3f} ({ends[0]:.3f} .. {ends[1]:.3f})'
    titles = {row[0] for row in rows}
    assert titles >= {
        'identity',
        'change',
        't_mrec by change',
        'id_switch_rate of',
        'gap_recovery_recall of',
        's per sequence',
        'network',
    }
    assert all(len(row) == len(rows[k - 1]) for k, row in enumerate(rows) if row[0] in METHODS)


def test_what_is_done_is_kept(command, data, tmp_path, case, places):
    """A second run computes nothing; a changed file and a new method are done again."""
    one = ('--methods', 'pairwise', '--json', tmp_path / 'one.json')
    assert main(command(*one)) == 0
    first = json.loads((tmp_path / 'one.json').read_text())
    assert not (tmp_path / 'out' / 'metrics.json').exists()
    stored = sorted((tmp_path / 'out' / 'predictions').rglob('*.npz'))
    times = [p.stat().st_mtime_ns for p in stored]
    assert main(command('--methods', *FEW, '--json', tmp_path / 'two.json')) == 0
    assert [p.stat().st_mtime_ns for p in stored] == times
    second = json.loads((tmp_path / 'two.json').read_text())
    assert second['methods']['pairwise'] == first['methods']['pairwise']
    assert second['seconds_by_visits']['pairwise'] == first['seconds_by_visits']['pairwise']
    assert 'network' not in second
    assert main(command(*one, '--t-sim')) == 0
    assert [p.stat().st_mtime_ns for p in stored] == times
    features = json.loads((tmp_path / 'one.json').read_text())['network']
    record = json.loads((tmp_path / 'out' / 'sequences' / 'a.json').read_text())
    record['similarity']['t_sim'] -= 0.5
    (tmp_path / 'out' / 'sequences' / 'a.json').write_text(json.dumps(record))
    assert main(command(*one, '--t-sim')) == 0
    read = json.loads((tmp_path / 'one.json').read_text())['network']
    assert read['t_sim'] == pytest.approx(features['t_sim'] - 0.25)  # not computed again
    other = case({1: places[1]}, {1: places[1]}, name='a')
    write_sequence(data / 'a.npz', other.sequence, other.truth)
    assert main(command(*one)) == 0
    changed = [p.stat().st_mtime_ns for p in stored]
    assert changed[0] > times[0]
    assert changed[1] == times[1]


def test_predictions_of_another_run_are_not_mixed_in(command, capsys):
    """Other settings of network or methods need another folder; other rules do not."""
    few = ('--limit', '1', '--methods', 'pairwise')
    assert main(command(*few)) == 0
    assert main(command(*few, '--min-region', '20')) == 0
    assert main(command(*few, '--window', '2')) == 2
    told = capsys.readouterr().err
    assert 'another --out' in told
    assert "comparison {'visits': 0, 'window': 0" in told


class Stopped(Exception):
    """A stop between two predictions."""


def test_stopped_run_goes_on(data, plan, tmp_path):
    """Stopped after the first sequence and one method: the rest follows, the scores are equal."""
    paths = sorted(data.glob('*.npz'))

    def compared(folder, progress=lambda *_: None):
        return compare(paths, plan(folder), progress=progress)

    def stop(done, doing):
        if doing == 'b: memory_oracle_masks':
            raise Stopped

    with pytest.raises(Stopped):
        compared('stopped', stop)
    told = []
    again = compared('stopped', lambda done, doing: told.append((done, doing)))
    assert told == [
        (0, 'a: reading'),
        (1, 'b: reading'),
        (1, 'b: memory_oracle_masks'),
        (2, 'done'),
    ]
    straight = compared('straight')
    for method in FEW:
        for a, b in zip(again.sequences[method], straight.sequences[method], strict=True):
            np.testing.assert_array_equal(a.ids.issued, b.ids.issued)
            np.testing.assert_array_equal(a.found.scores, b.found.scores)
            np.testing.assert_array_equal(a.changes.confusion, b.changes.confusion)
    assert [set(r.seconds) for r in again.records] == [set(FEW)] * 2
    assert not list(tmp_path.rglob('*.part'))


@pytest.mark.slow
def test_killed_process_goes_on(command, tmp_path):
    """SIGKILL after the first record; the next run ends with what an undisturbed one says."""
    few = ('--methods', *FEW)
    env = {**os.environ, 'OMP_NUM_THREADS': '1'}
    process = subprocess.Popen(
        [sys.executable, '-m', 'rescene4d_ros.cli.main', *command(*few)],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    record = tmp_path / 'out' / 'sequences' / 'a.json'
    while process.poll() is None and not record.exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = (tmp_path / 'out' / 'predictions' / 'pairwise' / 'a.npz').stat().st_mtime_ns
    assert main(command(*few)) == 0
    assert main(command(*few, out='straight')) == 0
    assert (tmp_path / 'out' / 'predictions' / 'pairwise' / 'a.npz').stat().st_mtime_ns == before
    documents = [
        json.loads((tmp_path / out / 'metrics.json').read_text()) for out in ('out', 'straight')
    ]
    assert same_but_time(documents[0]) == same_but_time(documents[1])


@pytest.mark.slow
def test_processes_share_the_sequences(command, tmp_path):
    """Two processes give the scores, predictions and order of one."""
    few = ('--methods', *FEW)
    assert main(command(*few, '--jobs', '2', out='two')) == 0
    assert main(command(*few, out='one')) == 0
    two, one = (
        json.loads((tmp_path / out / 'metrics.json').read_text()) for out in ('two', 'one')
    )
    assert same_but_time(two) == same_but_time(one)
    assert (two['jobs'], two['torch_threads']) == (2, 1)
    for path in (tmp_path / 'one' / 'predictions').rglob('*.npz'):
        other = tmp_path / 'two' / path.relative_to(tmp_path / 'one')
        with np.load(path) as a, np.load(other) as b:
            for name in a.files:
                np.testing.assert_array_equal(a[name], b[name])


def test_first_visits_only(data, plan, tmp_path):
    """--visits 2: both sequences, two visits each; 3: the longer one; 4: there is none."""
    two, three = (find_data(str(data), tmp_path, None, visits, 1) for visits in (2, 3))
    assert [p.stem for p in two.paths] == ['a', 'b']
    assert [p.stem for p in three.paths] == ['b']
    assert (two.name, two.is_as_recorded) == (str(data), None)
    assert len(find_data(str(data), tmp_path, 1, 2, 1).paths) == 1
    with pytest.raises(ConfigError, match='4 visits'):
        find_data(str(data), tmp_path, None, 4, 1)
    for visits in (2, 3):
        made = replace(
            plan(f'first {visits}', ('memory_oracle_masks',)),
            config=ComparisonConfig(visits=visits),
        )
        made.folder.claim({})
        record, (reduced,) = compare_sequence(three.paths[0], made)
        assert record.n_visits == len(reduced.ids.issued) == visits
        assert reduced.truth.changes.shape[1] == visits


def test_samples_are_parts_of_the_file(data, tmp_path):
    """--sample-seed: nine tenths of the points in another order, each with its own truth."""
    path = find_data(str(data), tmp_path, 1, 2, 1).paths[0]
    whole = read_case(path, ComparisonConfig())
    first, again, other = (
        read_case(path, ComparisonConfig(sample_seed=seed)) for seed in (1, 1, 2)
    )

    def labeled(case, t):
        return [
            (p.tobytes(), i)
            for p, i in zip(case.sequence.scans[t].xyz, case.truth.visits[t].instance.tolist())
        ]

    for t, scan in enumerate(whole.sequence.scans):
        kept = labeled(first, t)
        assert len(kept) == np.ceil(0.9 * len(scan))
        assert not Counter(kept) - Counter(labeled(whole, t))
        assert kept == labeled(again, t)
        assert kept != labeled(other, t)
    assert np.bincount(first.scored.visit).tolist() == list(map(len, first.sequence.scans))


def test_colors_can_be_left_out(data, tmp_path):
    """--no-colors: the same points, gray to every method."""
    path = find_data(str(data), tmp_path, 1, 2, 1).paths[0]
    whole, gray = (read_case(path, ComparisonConfig(colors=seen)) for seen in (True, False))
    assert all(scan.rgb is not None for scan in whole.sequence.scans)
    assert all(scan.rgb is None for scan in gray.sequence.scans)
    np.testing.assert_array_equal(whole.sequence.scans[1].xyz, gray.sequence.scans[1].xyz)


def test_sensor_positions_can_be_left_out(case, places, tmp_path):
    """--no-sensor-path: the same points, as a cloud that does not say where the sensor was."""
    made = case(places, places)
    path = np.ones((3, 3), np.float32)
    scans = tuple(replace(scan, sensor_path=path) for scan in made.sequence.scans)
    write_sequence(tmp_path / 'a.npz', replace(made.sequence, scans=scans), made.truth)
    known, unknown = (
        read_case(tmp_path / 'a.npz', ComparisonConfig(sensor_path=given)).sequence.scans
        for given in (True, False)
    )
    assert all(len(scan.sensor_path) == 3 for scan in known)
    assert all(scan.sensor_path is None for scan in unknown)
    np.testing.assert_array_equal(known[1].xyz, unknown[1].xyz)


@pytest.mark.slow
def test_set_by_its_name(data, weights, tmp_path, capsys):
    """A fixed set: made where it is missing, found where it is, compared with its record."""
    seed, _ = next(SETS['rooms-test'].sequences())
    first = tmp_path / 'sets' / 'rooms-test' / f'room_{seed:08d}.npz'
    assert (
        main(
            [
                'evaluate',
                '--data',
                'rooms-test',
                '--sets',
                str(tmp_path / 'sets'),
                '--limit',
                '1',
                '--methods',
                'memory_oracle_masks',
                '--weights',
                str(weights),
                '--device',
                'cpu',
                '--out',
                str(tmp_path / 'out'),
            ]
        )
        == 0
    )
    document = json.loads((tmp_path / 'out' / 'metrics.json').read_text())
    assert (document['data'], document['sequences']) == ('rooms-test', 1)
    told = '1 of 1 sequences are as recorded' in capsys.readouterr().err
    assert document['data_is_as_recorded'] == told
    written = first.stat().st_mtime_ns
    assert find_data('rooms-test', tmp_path / 'sets', 1, 2, 1).is_as_recorded == told
    assert first.stat().st_mtime_ns == written
    shutil.copy(data / 'a.npz', first)
    other = find_data('rooms-test', tmp_path / 'sets', 1, 0, 1)
    assert other.is_as_recorded is False
    assert '1 differ' in other.message
    with pytest.raises(ConfigError, match='3 visits in rooms-test'):
        find_data('rooms-test', tmp_path / 'sets', None, 3, 1)
    with pytest.raises(FileFormatError, match='rooms-test, rooms-long'):
        find_data('rooms-tset', tmp_path / 'sets', None, 0, 1)


def test_runs_side_by_side(tmp_path, capsys):
    """Values of each run, what the last one gained, and in what the runs differ."""
    for name, value, data in (('old', 0.25, 'x'), ('new', 0.75, 'y')):
        (tmp_path / f'{name}.json').write_text(
            json.dumps(
                {
                    'data_sha256': data,
                    'device': 'cpu',
                    'methods': {'joint': {'t_map': value, 'map': None}, 'ema': {'t_map': 1.0}},
                    'network': {'t_sim': value, 't_sim_other': None},
                }
            )
        )
    files = [str(tmp_path / f'{name}.json') for name in ('old', 'new')]
    assert main(['evaluate', '--compare', *files, '--methods', 'joint']) == 0
    lines = capsys.readouterr().out.splitlines()
    row = next(line.split() for line in lines if 't_map ' in line)
    assert row == ['joint', 't_map', '0.250', '0.750', '+0.500']
    assert next(line.split() for line in lines if ' map ' in line)[2:] == ['-', '-', '-']
    assert next(line.split() for line in lines if 't_sim ' in line)[2:] == row[2:]
    assert next(line.split() for line in lines if 't_sim_other ' in line)[2:] == ['-'] * 3
    assert not [line for line in lines if 'ema' in line or 'device' in line]
    assert [line for line in lines if line.startswith('data_sha256 differs: old: x, new: y')]
    (tmp_path / 'bad.json').write_text('[1]')
    assert main(['evaluate', '--compare', files[0], str(tmp_path / 'bad.json')]) == 2
    assert 'expected a metrics.json' in capsys.readouterr().err


def test_unusable_input_is_told(command, data, weights, tmp_path, capsys):
    """No sequences, no such method, a limit of nothing, results in other classes."""
    assert main(['evaluate', '--data', str(tmp_path / 'none')]) == 2
    assert 'expected a folder of sequence files' in capsys.readouterr().err
    assert main(command('--limit', '0')) == 2
    with pytest.raises(SystemExit):
        main(command('--methods', 'guess'))
    assert main(command('--classes', 'nyu40', out='other')) == 2
    assert 'expected those of the truth (cabinet, bed' in capsys.readouterr().err


def test_weights_for_other_classes_are_scored(command, weights, tmp_path):
    """Their objects have the class for the rest; masks count where classes do not."""
    pets = ReScene4D(ModelConfig(backbone='tiny', n_classes=2, hidden_dim=32, n_heads=4))
    save_weights(weights, pets, WeightsInfo(('cat', 'dog')))
    assert main(command('--methods', 'joint', out='pets')) == 0
    scores = json.loads((tmp_path / 'pets' / 'metrics.json').read_text())['methods']['joint']
    assert scores['t_map_any'] is not None


def test_damaged_folder_is_told(data, plan, tmp_path):
    """A half-written record or claim is named, not guessed at."""
    folder = ResultsFolder(tmp_path / 'out')
    folder.claim({'weights': 'a'})
    folder.claim({'weights': 'a'})
    with pytest.raises(ConfigError, match='weights a, now b'):
        folder.claim({'weights': 'b'})
    (folder.path / 'sequences').mkdir()
    (folder.path / 'sequences' / 'a.json').write_text('{"sha')
    with pytest.raises(StorageError, match='remove the file'):
        compare(sorted(data.glob('*.npz')), plan('out'))
    (folder.path / 'run.json').write_text('{')
    with pytest.raises(StorageError, match='another --out'):
        folder.claim({'weights': 'a'})


def test_single_scans_have_scores_too(command, data, tmp_path):
    """One visit, as ScanNet has: precision is defined, identity and change are not."""
    for path in data.glob('*.npz'):
        sequence, truth = read_sequence(path)
        write_sequence(
            path, ScanSequence(sequence.scans[:1], sequence.name), SequenceTruth(truth.visits[:1])
        )
    assert main(command('--methods', 'joint', 'memory_oracle_masks')) == 0
    scores = json.loads((tmp_path / 'out' / 'metrics.json').read_text())['methods']
    assert scores['memory_oracle_masks']['t_map'] == 1.0
    assert scores['joint']['t_map'] is not None
    assert scores['joint']['id_switch_rate'] is None
    assert scores['joint']['change_recall'] is None


def test_evaluation_is_documented():
    """Every method has its row, every setting of the comparison is named."""
    text = (Path(__file__).resolve().parents[2] / 'docs' / 'guide' / 'evaluation.md').read_text()
    for name in METHODS:
        assert f'`{name}`' in text, name
