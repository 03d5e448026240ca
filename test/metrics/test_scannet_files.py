"""Predictions as text files of ScanNet's benchmark: there, back, and malformed."""

from dataclasses import replace

import numpy as np
import pytest
from rescene4d_ros.class_lists import class_list
from rescene4d_ros.cli.main import main
from rescene4d_ros.errors import FileFormatError
from rescene4d_ros.metrics.files.scannet_files import read_scannet_files, write_scannet_files
from rescene4d_ros.metrics.files.score_files import write_prediction_file, write_truth_file
from rescene4d_ros.metrics.sequences import PredictedSequence, TrueSequence
from rescene4d_ros.structures import INSTANCE_CLASSES

CHAIR, SOFA = INSTANCE_CLASSES.index('chair'), INSTANCE_CLASSES.index('sofa')
N = 500


@pytest.fixture
def prediction():
    """Return a chair and a sofa that share 50 points, and a mask too weak to be exported."""
    masks = [np.arange(0, 200), np.arange(150, 400), np.arange(400, 410)]
    return PredictedSequence(
        np.concatenate(masks),
        np.array([0, 200, 450, 460]),
        np.array([CHAIR, SOFA, CHAIR]),
        np.array([0.9, 0.25, 1e-5]),
        np.array([1, 2, 3]),
    )


def test_files_are_as_the_benchmark_wants_them(prediction, tmp_path):
    write_scannet_files(tmp_path, 'scene0011_00', prediction, N, class_list('scannet18'))
    assert (tmp_path / 'scene0011_00.txt').read_text().splitlines() == [
        'predicted_masks/scene0011_00_000.txt 5 0.900000',
        'predicted_masks/scene0011_00_001.txt 6 0.250000',
    ]
    mask = np.loadtxt(tmp_path / 'predicted_masks' / 'scene0011_00_001.txt', dtype=int)
    assert np.flatnonzero(mask).tolist() == list(range(150, 400))


def test_what_was_written_is_read(prediction, tmp_path):
    classes = class_list('scannet20')
    write_scannet_files(tmp_path, 'a', prediction, N, classes)
    read = read_scannet_files(tmp_path / 'a.txt', N, classes)
    np.testing.assert_array_equal(read.points, prediction.points[:450])
    np.testing.assert_array_equal(read.starts, prediction.starts[:3])
    np.testing.assert_array_equal(read.classes, prediction.classes[:2])
    np.testing.assert_allclose(read.scores, prediction.scores[:2])


def test_ids_of_another_list_are_translated(tmp_path):
    """Id 4 of ScanNet200 is a table, 8 an office chair, 13 a pillow, which the truth lacks."""
    ids = dict(zip(class_list('scannet200').names, class_list('scannet200').ids))
    names = ('table', 'office chair', 'pillow')
    lines = [f'{k}.txt {ids[name]} 0.5\n' for k, name in enumerate(names)]
    (tmp_path / 'a.txt').write_text(''.join(lines))
    for k in range(3):
        (tmp_path / f'{k}.txt').write_text('1\n0\n0\n')
    read = read_scannet_files(tmp_path / 'a.txt', 3, class_list('scannet200'))
    assert [INSTANCE_CLASSES[c] for c in read.classes] == ['table', 'chair']


@pytest.mark.parametrize(
    ('line', 'mask', 'told'),
    [
        ('m.txt 5', '1\n0\n', 'MASK_FILE CLASS_ID SCORE'),
        ('m.txt five 0.5', '1\n0\n', 'MASK_FILE CLASS_ID SCORE'),
        ('m.txt 5 nan', '1\n0\n', 'MASK_FILE CLASS_ID SCORE'),
        ('../m.txt 5 0.5', '1\n0\n', 'MASK_FILE CLASS_ID SCORE'),
        ('none.txt 5 0.5', '1\n0\n', 'expected lines of ASCII text'),
        ('m.txt 5 0.5', '1\n0\n1\n', 'expected 2 lines'),
        ('m.txt 5 0.5', '1\n2\n', "one of them '2'"),
        ('m.txt 77 0.5', '1\n0\n', 'class id of scannet18, got 77'),
    ],
)
def test_malformed_files_are_refused(tmp_path, line, mask, told):
    (tmp_path / 'a.txt').write_text(line + '\n')
    (tmp_path / 'm.txt').write_text(mask)
    with pytest.raises(FileFormatError, match=told.replace('(', r'\(')):
        read_scannet_files(tmp_path / 'a.txt', 2, class_list('scannet18'))


def test_text_files_score_as_arrays_do(prediction, tmp_path, capsys):
    """Export with `score`, then score the exported files."""
    instance = np.zeros(N, int)
    instance[:150], instance[200:390] = 1, 2
    truth = TrueSequence(
        'kitchen',
        'kitchen',
        np.zeros(N, int),
        instance,
        np.array([1, 2]),
        np.array([CHAIR, SOFA]),
        np.zeros(2, int),
    )
    (tmp_path / 'truth').mkdir()
    (tmp_path / 'pred').mkdir()
    write_truth_file(tmp_path / 'truth' / 'kitchen.npz', truth)
    strong = replace(
        prediction,
        points=prediction.points[:450],
        starts=prediction.starts[:3],
        **{f: getattr(prediction, f)[:2] for f in ('classes', 'scores', 'object_ids')},
    )
    write_prediction_file(tmp_path / 'pred' / 'kitchen.npz', strong)
    shown = []
    for folder, more in (('pred', ['--export-text', str(tmp_path / 'text')]), ('text', [])):
        pair = ['--pred', str(tmp_path / folder), '--truth', str(tmp_path / 'truth')]
        assert main(['score', *pair, '--draws', '0', *more]) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert '1.000' in shown[0]
