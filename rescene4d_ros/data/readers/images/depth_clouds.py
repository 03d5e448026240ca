"""A depth image, and a color image registered to it, to the points that they show."""

from __future__ import annotations

from typing import Any

import numpy as np
from rescene4d_ros.data.readers.images.camera import Camera
from rescene4d_ros.data.readers.images.pixels import color_of, depth_of
from rescene4d_ros.data.readers.point_cloud2 import header_of
from rescene4d_ros.errors import ScanError
from rescene4d_ros.structures import Scan


def scan_from_depth(
    depth: Any, camera: Camera, color: Any = None, *, pixel_step: int = 1, edge: float = 0.0
) -> Scan:
    """
    Return the points of a depth image in the frame of its header, an optical frame.

    Parameters
    ----------
    depth : Image or CompressedImage
        See `depth_of`.
    camera : Camera
    color : Image or CompressedImage, optional
        Of the same pixels as the depth; see `color_of`.
    pixel_step : int
        Every n-th pixel of every n-th row becomes a point.
    edge : float
        See `at_edges`; 0 = keep all.

    Raises
    ------
    ScanError
        Images that are none, of another size than the camera's, or without any depth.

    """
    name, stamp_ns, frame_id = header_of(depth, 'depth image')
    z = depth_of(depth, name)
    size = f'{camera.width} x {camera.height}'
    if z.shape != (camera.height, camera.width):
        raise ScanError(
            f'{name}: expected {size} pixels as camera_info says, got {z.shape[1]} x '
            f'{z.shape[0]}; give the camera_info of the depth image, without binning or a region '
            'of interest'
        )
    rgb = None if color is None else color_of(color, name)
    if rgb is not None and rgb.shape[:2] != z.shape:
        raise ScanError(
            f'{name}: expected a color image of {size} pixels, got {rgb.shape[1]} x '
            f'{rgb.shape[0]}; let the driver align depth and color, or set depth.color to none'
        )
    rays = camera.rays()
    is_there = (z > 0) & np.isfinite(rays).all(axis=2)
    if edge > 0:
        is_there &= ~at_edges(z, edge)
    every = np.zeros(z.shape, dtype=bool)
    every[::pixel_step, ::pixel_step] = True
    chosen = is_there & every
    if not chosen.any():
        raise ScanError(
            f'{name}: expected a depth in some pixel, got {int((z > 0).sum())} of {z.size} with '
            'one, and none that is used; check the camera, or lower depth.pixel_step'
        )
    far = z[chosen][:, None]
    xyz = np.concatenate([rays[chosen] * far, far], axis=1)
    return Scan(xyz, stamp_ns, None if rgb is None else rgb[chosen], frame_id=frame_id, name=name)


def at_edges(depth: np.ndarray, edge: float) -> np.ndarray:
    """
    Return which pixels lie at a step of the depth, where cameras measure what is not there.

    The inverse depth of a plane is linear in the image, however it is inclined; so a pixel is at
    a step where its inverse depth differs from the mean of those beside it, or of those above
    and below.

    Parameters
    ----------
    depth : ndarray (H, W), float32, m
        0 = nothing measured; beside it nothing is known of a step.
    edge : float
        Least difference, as a share of the inverse depth.

    Returns
    -------
    ndarray (H, W), bool

    """
    inverse = np.zeros_like(depth)
    np.divide(1.0, depth, out=inverse, where=depth > 0)
    found = np.zeros(depth.shape, dtype=bool)
    for view, out in ((inverse, found), (inverse.T, found.T)):
        before, here, after = view[:, :-2], view[:, 1:-1], view[:, 2:]
        off = np.abs((before + after) / 2 - here) > edge * here
        step = np.zeros(view.shape, dtype=bool)
        step[:, 1:-1] = off & (before > 0) & (here > 0) & (after > 0)
        step[:, 1:-1] |= step[:, :-2] & step[:, 2:]  # half way between two surfaces
        out |= step
    return found
