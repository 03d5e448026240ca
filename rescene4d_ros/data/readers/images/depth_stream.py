"""Depth images, color images and camera_info as they come, to one cloud per depth image."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar

from rescene4d_ros.data.readers.images.camera import Camera, camera_of
from rescene4d_ros.data.readers.images.config import DepthInputConfig
from rescene4d_ros.data.readers.images.depth_clouds import scan_from_depth
from rescene4d_ros.data.readers.images.image_pairs import ImagePairs
from rescene4d_ros.errors import ScanError
from rescene4d_ros.structures import Scan

T = TypeVar('T')  # an image as it comes, decoded or not
NUMBERS = ('d', 'k', 'p')


class DepthStream(Generic[T]):
    """
    Give each depth image of one camera, with its color, as a cloud that is decoded when needed.

    The newest camera_info counts, whatever its stamp: a calibration does not change from image to
    image, and some drivers send it once.

    Parameters
    ----------
    settings : DepthInputConfig
    info_topic : str
        Of camera_info, for messages to people.
    opened : callable(image) -> Image or CompressedImage
        Gives the message of an image as it came; raises ScanError.
    take : callable(image, decode)
        Gets each depth image in their order, and what returns its Scan or raises ScanError.
    refuse : callable(ScanError)
        Told of each depth image without color, and of each camera_info that is none.

    """

    def __init__(
        self,
        settings: DepthInputConfig,
        info_topic: str,
        opened: Callable[[T], Any],
        take: Callable[[T, Callable[[], Scan]], None],
        refuse: Callable[[ScanError], None],
    ):
        self._settings, self._info_topic, self._opened = settings, info_topic, opened
        self._give, self._refuse = take, refuse
        self._camera: Camera | None = None
        self._info: Any = None
        self._pairs: ImagePairs[T, T] = ImagePairs(round(settings.slop * 1e9), self._take, refuse)

    def add_info(self, message: Any) -> None:
        """Keep a calibration; rays are computed again only where it changed."""
        if self._info is not None and _is_same(self._info, message):
            return
        try:
            self._camera, self._info = camera_of(message, self._settings.image), message
        except ScanError as error:
            self._camera = self._info = None
            self._refuse(error)

    def add_depth(self, stamp_ns: int, image: T) -> None:
        """Take a depth image; it waits for its color, where there are colors."""
        if self._settings.color == 'none':
            self._take(image, None)
        else:
            self._pairs.add_depth(stamp_ns, image)

    def add_color(self, stamp_ns: int, image: T) -> None:
        """Take a color image."""
        self._pairs.add_color(stamp_ns, image)

    def finish(self) -> None:
        """Give the depth images that wait for a color: no other comes."""
        self._pairs.finish()

    def _take(self, depth: T, color: T | None) -> None:
        camera, settings, opened = self._camera, self._settings, self._opened

        def decode() -> Scan:
            if camera is None:
                raise ScanError(
                    'depth image: expected a usable camera_info before it, got none; check the '
                    f'topic {self._info_topic}'
                )
            return scan_from_depth(
                opened(depth),
                camera,
                None if color is None else opened(color),
                pixel_step=settings.pixel_step,
                edge=settings.edge,
            )

        self._give(depth, decode)


def _is_same(one: Any, other: Any) -> bool:
    """Return whether two camera_info are the same calibration."""
    names = ('width', 'height', 'distortion_model')
    return all(getattr(one, n) == getattr(other, n) for n in names) and all(
        list(getattr(one, n)) == list(getattr(other, n)) for n in NUMBERS
    )
