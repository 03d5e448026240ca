"""Which way each pixel of a camera looks, of sensor_msgs/msg/CameraInfo, without ROS."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from rescene4d_ros.errors import ScanError

FISHEYE = 'equidistant'
MODELS = ('plumb_bob', 'rational_polynomial', FISHEYE)
COUNTS = {'plumb_bob': (4, 5), 'rational_polynomial': (8, 12, 14), FISHEYE: (4,)}
KINDS = ('auto', 'rectified', 'raw')  # of images; see `camera_of`
UNNAMED = 'no model'  # of a distortion whose coefficients are given without one
MOST_TANGENT = 100.0  # of the angle between a ray and the axis of the camera; 89.4 degrees


@dataclass(frozen=True)
class Camera:
    """
    Hold the calibration of a camera.

    Attributes
    ----------
    width, height : int, pixels
    matrix : ndarray (3, 3), float64
        Focal lengths and principal point, in pixels.
    model : str
        Of the distortion; '' = none.
    distortion : tuple of float
        Its coefficients, in the order of OpenCV.

    """

    width: int
    height: int
    matrix: np.ndarray
    model: str = ''
    distortion: tuple[float, ...] = ()
    _rays: list[np.ndarray] = field(default_factory=list, repr=False, compare=False)

    def rays(self) -> np.ndarray:
        """
        Return where each pixel looks: x and y (H, W, 2), float32, at a depth of 1.

        x is to the right, y down, as in an optical frame of ROS (REP 103). NaN where the
        distortion cannot be undone.

        Raises
        ------
        ScanError
            A distorted image, and OpenCV is not installed.

        """
        if not self._rays:
            self._rays.append(self._undistorted() if self.model else self._pinhole())
        return self._rays[0]

    def _pinhole(self) -> np.ndarray:
        m = self.matrix
        y = (np.arange(self.height) - m[1, 2]) / m[1, 1]
        x = (np.arange(self.width)[None] - m[0, 2] - m[0, 1] * y[:, None]) / m[0, 0]
        return np.stack([x, np.broadcast_to(y[:, None], x.shape)], axis=2).astype(np.float32)

    def _undistorted(self) -> np.ndarray:
        try:
            import cv2
        except ImportError as error:
            raise ScanError(
                f'camera: expected an image without distortion, or OpenCV to undo '
                f'{self.model}, got neither; take the rectified image of image_proc and set '
                'depth.image to rectified, or install opencv-python-headless'
            ) from error
        columns, rows = np.meshgrid(np.arange(self.width), np.arange(self.height))
        pixels = np.stack([columns, rows], axis=2).reshape(-1, 1, 2).astype(np.float64)
        undo = cv2.fisheye.undistortPoints if self.model == FISHEYE else cv2.undistortPoints
        rays = undo(pixels, self.matrix, np.array(self.distortion)).reshape(
            self.height, self.width, 2
        )
        far = ~(np.abs(rays) < MOST_TANGENT).all(axis=2)
        rays[far] = np.nan
        return rays.astype(np.float32)


def camera_of(message: Any, kind: str = 'auto') -> Camera:
    """
    Return the calibration that a message holds.

    Parameters
    ----------
    message : CameraInfo
    kind : str
        Of the images. The message is the same for both kinds, so only the publisher knows:
        'rectified' ones have no distortion and the matrix P, 'raw' ones K and D. 'auto' takes
        those of a camera without distortion and refuses others.

    Raises
    ------
    ScanError
        No calibration, a model that is not known, or a distorted camera with 'auto'.

    """
    width, height = int(message.width), int(message.height)
    distortion = np.array(message.d, np.float64)
    model = (str(message.distortion_model) or UNNAMED) if distortion.any() else ''
    k = np.array(message.k, np.float64).reshape(3, 3)
    p = np.array(message.p, np.float64).reshape(3, 4)[:, :3]
    if kind == 'auto' and model:
        raise ScanError(
            f'camera_info: expected a camera without distortion, got {model[:40]} '
            f'{distortion.round(4).tolist()[:14]}; set depth.image to rectified where the depth '
            'image is rectified, as that of depth_image_proc must be, else to raw'
        )
    matrix = p if kind == 'rectified' and p.any() else k
    if kind == 'rectified':
        model, distortion = '', distortion[:0]
    good = np.isfinite(matrix).all() and matrix[0, 0] > 0 and matrix[1, 1] > 0
    if not good or width < 1 or height < 1:
        raise ScanError(
            f'camera_info: expected a calibrated camera, got focal lengths {matrix[0, 0]:g} and '
            f'{matrix[1, 1]:g} for {width} x {height} pixels; calibrate it, or mend its driver'
        )
    known = model in MODELS and len(distortion) in COUNTS[model]
    if model and not (known and np.isfinite(distortion).all()):
        raise ScanError(
            f'camera_info: expected a distortion of {", ".join(MODELS)}, got {model[:40]!r} with '
            f'{len(distortion)} numbers; take the rectified image and set depth.image to rectified'
        )
    return Camera(width, height, matrix, model, tuple(map(float, distortion)))
