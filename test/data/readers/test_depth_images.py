"""Depth images to points: against Open3D, the projection, OpenCV, and damaged messages."""

from contextlib import suppress
from importlib.util import find_spec
from io import BytesIO
import struct
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
from PIL import Image
import pytest
from rescene4d_ros.data.readers.images.camera import camera_of
from rescene4d_ros.data.readers.images.depth_clouds import at_edges, scan_from_depth
from rescene4d_ros.data.readers.images.pixels import color_of, depth_of
from rescene4d_ros.errors import ScanError

W, H = 40, 30
K = np.array([[35.0, 0.0, 19.2], [0.0, 36.0, 14.7], [0.0, 0.0, 1.0]])
STAMP = SimpleNamespace(sec=1_700_000_000, nanosec=5)


def header(frame='camera_optical'):
    return SimpleNamespace(stamp=STAMP, frame_id=frame)


def image(pixels, encoding, padding=0, big=False):
    """Return an Image message of pixels (H, W) or (H, W, C)."""
    pixels = np.asarray(pixels)
    kind = pixels.dtype.newbyteorder('>' if big else '<')
    rows = np.ascontiguousarray(pixels.astype(kind)).reshape(len(pixels), -1).view(np.uint8)
    rows = np.pad(rows, ((0, 0), (0, padding)))
    return SimpleNamespace(
        header=header(),
        height=pixels.shape[0],
        width=pixels.shape[1],
        encoding=encoding,
        is_bigendian=int(big),
        step=rows.shape[1],
        data=rows.tobytes(),
    )


def info(k=K, d=(), model='plumb_bob', p=None, width=W, height=H):
    p = np.zeros((3, 4)) if p is None else p
    return SimpleNamespace(
        header=header(),
        width=width,
        height=height,
        distortion_model=model,
        d=list(d),
        k=np.asarray(k).reshape(-1),
        p=np.asarray(p).reshape(-1),
    )


def compressed(data, said, kind='PNG', quantized=(0.0, 0.0), is_depth=True):
    """Return a CompressedImage message, as image_transport's plugins write it."""
    out = BytesIO()
    Image.fromarray(data).save(out, kind)
    head = struct.pack('<iff', 0, *quantized) if is_depth else b''
    return SimpleNamespace(header=header(), format=said, data=head + out.getvalue())


def plane(normal, distance, camera):
    """Return the depth at which each pixel meets a plane, 0 where it does not within 9 m."""
    rays = np.concatenate([camera.rays(), np.ones((H, W, 1), np.float32)], axis=2)
    with np.errstate(divide='ignore'):
        z = distance / (rays @ np.asarray(normal))
    return np.where((z > 0.2) & (z < 9.0), z, 0).astype(np.float32)


@pytest.mark.slow
def test_points_are_those_of_open3d():
    """Every third pixel, in mm, with colors; Open3D computes the same points."""
    o3d = pytest.importorskip('open3d')
    rng = np.random.default_rng(0)
    depth = rng.integers(0, 6000, (H, W)).astype(np.uint16)
    depth[rng.random((H, W)) < 0.2] = 0
    rgb = rng.integers(0, 255, (H, W, 3)).astype(np.uint8)
    scan = scan_from_depth(
        image(depth, '16UC1'), camera_of(info()), image(rgb, 'rgb8'), pixel_step=3
    )
    cloud = o3d.geometry.PointCloud.create_from_depth_image(
        o3d.geometry.Image(depth),
        o3d.camera.PinholeCameraIntrinsic(W, H, K),
        depth_trunc=100.0,
        stride=3,
    )
    np.testing.assert_allclose(scan.xyz, np.asarray(cloud.points), atol=1e-5)
    np.testing.assert_array_equal(scan.rgb, rgb[::3, ::3][depth[::3, ::3] > 0])
    assert (scan.frame_id, scan.stamp_ns) == ('camera_optical', 1_700_000_000_000_000_005)


@settings(max_examples=20, deadline=None)
@given(
    st.tuples(*[st.floats(-1.0, 1.0)] * 2),
    st.floats(0.5, 5.0),
    st.floats(20.0, 80.0),
    st.integers(1, 5),
)
def test_a_plane_stays_a_plane_and_has_no_edges(tilt, distance, focal, step):
    """However it is inclined; so a floor seen at a grazing angle keeps its points."""
    k = np.array([[focal, 0.0, 20.0], [0.0, focal + 1.0, 15.0], [0.0, 0.0, 1.0]])
    camera, normal = camera_of(info(k)), np.array([*tilt, 1.0])
    depth = plane(normal, distance, camera)
    if not (depth[::step, ::step] > 0).any():
        return
    scan = scan_from_depth(image(depth, '32FC1'), camera, pixel_step=step, edge=0.03)
    assert len(scan) == (depth[::step, ::step] > 0).sum()
    np.testing.assert_allclose(scan.xyz @ normal, distance, rtol=1e-4)


def test_pixels_between_two_surfaces_are_dropped():
    """A box at 1.5 m before a wall at 3 m, and what a camera measures between them."""
    depth = np.full((H, W), 3.0, np.float32)
    depth[8:22, 10:30] = 1.5
    for flying in (1.7, 2.0, 2.5):  # 2.0 is where the inverse depth is half way
        mixed = depth.copy()
        mixed[8:22, 10] = mixed[8, 10:30] = flying
        found = at_edges(mixed, 0.03)
        assert found[9:22, 10].all()
        assert found[8, 11:30].all()
        assert found.mean() < 0.25
        assert not found[12:18, 14:26].any()
    assert not at_edges(np.where(depth == 3.0, 0, depth), 0.03).any()  # nothing known of a step
    kept = scan_from_depth(image(mixed, '32FC1'), camera_of(info()), edge=0.03).xyz[:, 2]
    assert set(kept.tolist()) == {1.5, 3.0}


@pytest.mark.parametrize('big', [False, True])
def test_encodings_say_the_same(big):
    """Millimeters, meters, padded rows, either order of bytes, and what is not measured."""
    depth = np.array([[0, 1000], [2500, 65535]], np.uint16)
    meters = np.array([[np.nan, 1.0], [2.5, 65.535]], np.float32)
    expected = [[0, 1.0], [2.5, 65.535]]
    for message in (
        image(depth, '16UC1', 6, big),
        image(depth, 'mono16', 0, big),
        image(meters, '32FC1', 4, big),
    ):
        np.testing.assert_allclose(depth_of(message, 'x'), expected, rtol=1e-6)
    meters[0] = -np.inf, np.inf
    assert (depth_of(image(meters, '32FC1'), 'x')[0] == 0).all()


def test_pixels_whose_ray_is_not_finite_give_no_points():
    k = K.copy()
    k[1, 1:] = 1e-300, 15.0  # one row looks straight ahead
    with np.errstate(over='ignore'):
        scan = scan_from_depth(image(np.ones((H, W), np.float32), '32FC1'), camera_of(info(k)))
    assert len(scan) == W
    assert np.isfinite(scan.xyz).all()


def test_colors_of_all_encodings():
    """Channels come out as red, green and blue."""
    rgb = np.array([[[1, 2, 3], [200, 100, 50]]], np.uint8)
    alpha = np.concatenate([rgb, rgb[..., :1]], axis=2)
    for pixels, encoding in (
        (rgb, 'rgb8'),
        (rgb[..., ::-1], 'bgr8'),
        (alpha, 'rgba8'),
        (alpha[..., [2, 1, 0, 3]], 'bgra8'),
    ):
        np.testing.assert_array_equal(color_of(image(pixels, encoding, 5), 'x'), rgb)
    gray = color_of(image(rgb[..., 0], 'mono8'), 'x')
    np.testing.assert_array_equal(gray, np.repeat(rgb[..., :1], 3, axis=2))


def test_compressed_images():
    """PNG holds depths exactly, or as a quantized inverse; JPEG holds colors nearly."""
    depth = np.random.default_rng(1).integers(300, 9000, (H, W)).astype(np.uint16)
    depth[0, 0] = 0
    message = compressed(depth, '16UC1; compressedDepth png')
    np.testing.assert_allclose(depth_of(message, 'x'), depth / 1000, rtol=1e-6)
    scale, offset = 100.0 * 101.0, 1.0 - 100.0 * 101.0 / 10.0  # as for 100 at 0 m, 10 m at most
    meters = depth / 1000
    with np.errstate(divide='ignore'):
        inverse = np.where(depth > 0, scale / meters + offset, 0).astype(np.uint16)
    message = compressed(inverse, '32FC1; compressedDepth', quantized=(scale, offset))
    np.testing.assert_allclose(depth_of(message, 'x'), meters, rtol=0.01)
    assert depth_of(message, 'x')[0, 0] == 0
    rgb = np.full((H, W, 3), (200, 90, 30), np.uint8)
    for kind, most in (('JPEG', 4), ('PNG', 0)):
        message = compressed(rgb, f'rgb8; {kind} compressed bgr8', kind, is_depth=False)
        off = np.abs(color_of(message, 'x').astype(int) - rgb)
        assert off.max() <= most


def test_which_matrix_counts():
    """The same message serves raw and rectified images, so a distorted camera must be named."""
    bent, p = (0.1, -0.05, 0.001, 0.001, 0.0), np.c_[K * 1.1, np.zeros(3)]
    assert camera_of(info(d=np.zeros(5), p=p)).matrix[0, 0] == K[0, 0]
    assert camera_of(info(d=bent, p=p), 'rectified').matrix[0, 0] == pytest.approx(38.5)
    assert camera_of(info(d=bent), 'rectified').model == ''
    assert camera_of(info(d=bent, p=p), 'raw').distortion == bent
    with pytest.raises(ScanError, match='set depth.image to rectified where'):
        camera_of(info(d=bent, p=p))
    with pytest.raises(ScanError, match='without distortion, got no model'):
        camera_of(info(d=bent, model=''))
    with pytest.raises(ScanError, match='distortion of plumb_bob'):
        camera_of(info(d=bent, model='omni'), 'raw')
    with pytest.raises(ScanError, match='calibrated camera, got focal lengths 0'):
        camera_of(info(np.zeros((3, 3))))


BENT = {
    'plumb_bob': (-0.28, 0.07, 0.001, -0.0005, 0.01),
    'rational_polynomial': (0.5, -0.2, 0.0003, 0.0001, 0.05, 0.45, -0.15, 0.02),
    'equidistant': (-0.02, 0.01, -0.003, 0.0004),
}


@pytest.mark.parametrize('model', BENT)
def test_distortion_is_undone(model):
    """Rays that OpenCV distorts come back; without OpenCV the message says what to do."""
    camera = camera_of(info(d=BENT[model], model=model), 'raw')
    if find_spec('cv2') is None:
        with pytest.raises(ScanError, match='install opencv-python-headless'):
            camera.rays()
        return
    import cv2

    rays = camera.rays().reshape(-1, 1, 2).astype(np.float64)
    if model == 'equidistant':
        pixels = cv2.fisheye.distortPoints(rays, K, np.array(BENT[model]))
    else:
        points = np.concatenate([rays, np.ones((len(rays), 1, 1))], axis=2)
        pixels, _ = cv2.projectPoints(points, np.zeros(3), np.zeros(3), K, np.array(BENT[model]))
    there = np.stack(np.meshgrid(np.arange(W), np.arange(H)), axis=2).reshape(-1, 1, 2)
    np.testing.assert_allclose(pixels, there, atol=0.05)


@pytest.mark.parametrize(
    ('message', 'camera', 'color', 'text'),
    [
        (image(np.ones((H, W), np.uint8), '8UC1'), info(), None, 'of encoding 16UC1'),
        (image(np.ones((H, W), 'u2'), '16UC1'), info(width=80), None, '80 x 30 pixels'),
        (image(np.zeros((H, W), 'u2'), '16UC1'), info(), None, 'got 0 of 1200 with one'),
        (
            image(np.ones((H, W), 'u2'), '16UC1'),
            info(),
            image(np.ones((H, W), np.uint8), 'bayer_rggb8'),
            "got 'bayer_rggb8'; convert it",
        ),
        (
            image(np.ones((H, W), 'u2'), '16UC1'),
            info(),
            image(np.ones((2 * H, W), np.uint8), 'mono8'),
            'align depth and color',
        ),
        (compressed(np.ones((H, W), 'u2'), '16UC1; compressedDepth rvl', 'TIFF'), info(), None,
         'publisher to png'),
        (compressed(np.ones((H, W), 'u1'), '16UC1; compressedDepth png'), info(), None, '16 bits'),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_in_words(message, camera, color, text):
    with pytest.raises(ScanError, match=text):
        scan_from_depth(message, camera_of(camera), color)


def test_damaged_messages_are_refused():
    """Cut off or with changed bytes, compressed or not: points, or a ScanError."""
    rng, camera = np.random.default_rng(2), camera_of(info())
    depth = rng.integers(300, 9000, (H, W)).astype(np.uint16)
    whole = [
        image(depth, '16UC1'),
        compressed(depth, '16UC1; compressedDepth png'),
        compressed(depth, '32FC1; compressedDepth png', quantized=(1e4, -1e3)),
    ]
    for trial in range(300):
        message = SimpleNamespace(**vars(whole[trial % 3]))
        data = bytearray(message.data)
        for at in rng.integers(0, min(len(data), 200), 3):
            data[at] = rng.integers(256)
        message.data = bytes(data[: len(data) if trial % 2 else rng.integers(len(data))])
        if trial % 3 == 0:
            message.width = int(rng.choice([W, 0, -1, 1 << 31]))
        with suppress(ScanError):
            assert np.isfinite(scan_from_depth(message, camera).xyz).all()
