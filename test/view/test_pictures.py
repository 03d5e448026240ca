"""Pictures: colors that tell ids apart, a renderer checked by geometry, and real PNGs."""

import numpy as np
from PIL import Image
import pytest
from rescene4d_ros.structures import (
    Box,
    Change,
    ChangeKind,
    FLOOR,
    INSTANCE_CLASSES,
    MemorySnapshot,
    ObjectState,
    Scan,
    ScanSequence,
    SceneObject,
    VisitInfo,
    VisitStatus,
)
from rescene4d_ros.structures.colors import class_colors, color_of, colors_of
from rescene4d_ros.structures.truth import SequenceTruth, TrueObject, VisitTruth
from rescene4d_ros.view.before_after import draw_before_after
from rescene4d_ros.view.clouds import sequence_picture
from rescene4d_ros.view.cutaway import cutaway
from rescene4d_ros.view.splat import BACKGROUND, splat, view_of


def test_colors_of_neighbors_differ():
    """Ids that are near each other in number do not look alike; the color is of the id alone."""
    colors = np.array([color_of(k) for k in range(1, 400)], int)
    for step in (1, 2, 3, 4):
        apart = np.abs(colors[step:] - colors[:-step]).sum(axis=1)
        assert apart.min() > 60
    assert color_of(7) == color_of(7)
    assert color_of(10**12) != color_of(0)
    gray = color_of(0)
    assert max(gray) - min(gray) < 10
    assert np.ptp(colors, axis=1).min() > 60


def test_colors_of_arrays():
    """Many at once are the single ones."""
    ids = np.array([5, 0, 5, 123456789, 1])
    np.testing.assert_array_equal(colors_of(ids), [color_of(int(k)) for k in ids])
    assert colors_of(np.zeros(0, np.int64)).shape == (0, 3)
    assert len(np.unique(class_colors(np.arange(-1, 20)), axis=0)) == 21


def square(z, color, n=60):
    """Return an upright-facing square of 1 m at height z."""
    u, v = np.meshgrid(np.linspace(-0.5, 0.5, n), np.linspace(-0.5, 0.5, n))
    return np.column_stack([u.ravel(), v.ravel(), np.full(u.size, z)]), np.tile(
        np.array(color, np.uint8), (u.size, 1)
    )


def test_near_hides_far():
    """From above the upper square is seen, whatever the order of the points."""
    low, red = square(0.0, (255, 0, 0))
    high, blue = square(0.5, (0, 0, 255))
    view = view_of([low], 100, 100, 0.0, 90.0)
    for order in (1, -1):
        xyz, rgb = np.concatenate([low, high][::order]), np.concatenate([red, blue][::order])
        image = splat(view, xyz, rgb, shading=0.0)
        np.testing.assert_array_equal(image[50, 50], (0, 0, 255))
        np.testing.assert_array_equal(image[0, 0], BACKGROUND)


@pytest.mark.parametrize('elevation', [20.0, 52.0, 90.0])
def test_view_holds_the_cloud(elevation):
    """All points fall into the image, up is up, and the scale is that of the view."""
    xyz = np.random.default_rng(0).uniform(-1, 1, (4000, 3)) * (3, 2, 1)
    view = view_of([xyz], 300, 200, 33.0, elevation)
    at = view.project(xyz)
    assert at[:, :2].min() > -5
    assert at[:, 0].max() < 305
    assert at[:, 1].max() < 205
    ends = view.project(np.array([[0.0, 0, 0], [0, 0, 1.0]]))
    assert ends[0, 1] - ends[1, 1] == pytest.approx(
        view.pixels_per_m * np.cos(np.deg2rad(elevation)), abs=1e-6
    )
    np.testing.assert_allclose(view.rotation @ view.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(view.rotation) == pytest.approx(1)


def room():
    """Return floor and walls of a 4 x 3 m room, and which points are floor."""
    rng = np.random.default_rng(0)
    floor = np.column_stack([rng.uniform(0, 4, 8000), rng.uniform(0, 3, 8000), np.zeros(8000)])
    s = rng.uniform(0, 1, (4, 4000))
    z = rng.uniform(0, 2.4, (4, 4000))
    walls = [
        np.column_stack([s[0] * 4, 0 * s[0], z[0]]),
        np.column_stack([s[1] * 4, 0 * s[1] + 3, z[1]]),
        np.column_stack([0 * s[2], s[2] * 3, z[2]]),
        np.column_stack([0 * s[3] + 4, s[3] * 3, z[3]]),
    ]
    return floor, walls


def test_cutaway_opens_the_near_walls():
    """The viewer in the south-west sees floor and the two far walls."""
    floor, (south, north, west, east) = room()
    xyz = np.concatenate([floor, south, north, west, east])
    view = view_of([xyz], 400, 300, azimuth=225.0)
    shown = np.split(cutaway(xyz, view), np.cumsum([8000, 4000, 4000, 4000]))
    shares = [s.mean() for s in shown]
    assert min(shares[0], shares[2], shares[4]) > 0.85
    assert max(shares[1], shares[3]) < 0.25
    assert cutaway(xyz, view_of([xyz], 400, 300, elevation=90.0)).all()


def test_before_and_after(tmp_path):
    """A PNG with a panel per visit, in which an object has its color at both of its places."""
    floor, walls = room()
    rng = np.random.default_rng(1)
    scans, labels, boxes = [], [], []
    for t, x in enumerate((1.0, 2.5)):
        thing = rng.uniform(-0.3, 0.3, (3000, 3)) + (x, 1.5, 0.3)
        xyz = np.concatenate([floor, *walls, thing]).astype(np.float32)
        scans.append(Scan(xyz, 10**18 + t * 10**15))
        labels.append(np.where(np.arange(len(xyz)) < len(xyz) - 3000, 0, 4))
        boxes.append(Box((x, 1.5, 0.3), (0.6, 0.6, 0.6)))
    visits = tuple(
        VisitInfo(t + 1, s.stamp_ns, VisitStatus.DONE, '', len(s)) for t, s in enumerate(scans)
    )
    item = SceneObject(
        4,
        2,
        'chair',
        1.0,
        ObjectState.PRESENT,
        boxes[1],
        1,
        2,
        states=((1, ObjectState.PRESENT), (2, ObjectState.PRESENT)),
    )
    lost = SceneObject(
        9,
        4,
        'table',
        1.0,
        ObjectState.NOT_OBSERVED,
        Box((3.2, 0.8, 0.3), (0.6, 0.6, 0.6)),
        1,
        1,
        states=((1, ObjectState.PRESENT), (2, ObjectState.NOT_OBSERVED)),
    )
    gone = Change(ChangeKind.REMOVED, 8, 'sofa', 0.9, 2, boxes[0], None, None, 1, 2)
    moved = Change(ChangeKind.MOVED, 4, 'chair', 0.9, 2, boxes[0], boxes[1], np.eye(4), 1, 2)
    snapshot = MemorySnapshot('m', 'map', 2, INSTANCE_CLASSES, visits, (item, lost))
    draw_before_after(tmp_path / 'a.png', scans, labels, snapshot, [moved, gone])
    image = np.asarray(Image.open(tmp_path / 'a.png').convert('RGB')).astype(int)
    color = np.array(color_of(4))
    unit = color / np.linalg.norm(color)
    length = np.linalg.norm(image, axis=2)
    alike = (image @ unit > 0.99 * length) & (length > 60)
    half = image.shape[1] // 2
    assert alike[:, :half].sum() > 1000
    assert alike[:, half:].sum() > 1000
    # It moved to the right or left within the panel: the same panel layout shows it elsewhere.
    columns = [np.median(np.nonzero(part)[1]) for part in (alike[:, :half], alike[:, half:])]
    assert abs(columns[0] - columns[1]) > 20
    red = (image[..., 0] > 170) & (image[..., 1:].max(axis=2) < 60)
    assert red[:, half:].sum() > 100
    assert red[:, :half].sum() < red[:, half:].sum() / 3


def test_sequence_picture_shows_changes(tmp_path):
    """Visits side by side; what moved is blue at its new place, and only in the second column."""
    floor, walls = room()
    rng = np.random.default_rng(1)
    scans, visits = [], []
    for t, x in enumerate((1.0, 2.5)):
        pose = np.eye(4)
        pose[:3, 3] = (x, 1.5, 0.3)
        thing = rng.uniform(-0.3, 0.3, (3000, 3)) + pose[:3, 3]
        xyz = np.concatenate([floor, *walls, thing]).astype(np.float32)
        scans.append(Scan(xyz, 10**18 + t * 10**15, np.full(xyz.shape, 200, np.uint8)))
        instance = np.where(np.arange(len(xyz)) < len(xyz) - 3000, 0, 4).astype(np.int32)
        chair = TrueObject(
            4,
            2,
            ObjectState.PRESENT,
            True,
            pose,
            Box(pose[:3, 3], (0.6,) * 3),
            ChangeKind.MOVED if t else ChangeKind.UNKNOWN,
        )
        visits.append(
            VisitTruth(instance, np.where(instance, 2, FLOOR).astype(np.int32), (chair,))
        )
    sequence = ScanSequence(tuple(scans), 'room')
    sequence_picture(sequence, SequenceTruth(tuple(visits)), tmp_path / 'a.png', 240, 180)
    image = np.asarray(Image.open(tmp_path / 'a.png').convert('RGB')).astype(int)
    assert image.shape[1] == 480
    assert image.shape[0] > 5 * 180
    blue = (image[..., 2] > 120) & (image[..., 2] > image[..., 0] + 70)
    last_row = blue[26 + 4 * 180 : 26 + 5 * 180]
    assert last_row[:, 240:].sum() > 150
    assert last_row[:, :240].sum() == 0
    sequence_picture(sequence, None, tmp_path / 'b.jpg', 240, 180, most_visits=1)
    alone = Image.open(tmp_path / 'b.jpg')
    assert (alone.format, alone.size[0]) == ('JPEG', 240)
    assert alone.size[1] < 3 * 180
