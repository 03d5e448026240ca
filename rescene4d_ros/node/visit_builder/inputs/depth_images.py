"""Depth images, color images and camera_info as input of the visit builder."""

from __future__ import annotations

from typing import Any, Protocol

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rescene4d_ros.data.readers.images.camera import Camera, camera_of
from rescene4d_ros.data.readers.images.depth_clouds import scan_from_depth
from rescene4d_ros.errors import ScanError
from rescene4d_ros.node.messages.conversions import time_from_msg
from rescene4d_ros.node.visit_builder.inputs.image_pairs import ImagePairs
from rescene4d_ros.node.visit_builder.inputs.measured import Measured
from rescene4d_ros.node.visit_builder.settings import DepthInputConfig
from rescene4d_ros.structures import Scan
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

DEPTH, COLOR, CAMERA_INFO = 'depth', 'color', 'camera_info'  # topics, relative as `clouds` is


class Taking(Protocol):
    """Take what was measured, or refuse it; `VisitWork` does."""

    def take(self, measured: Measured) -> None:
        """Queue it."""

    def refuse(self, error: Exception) -> None:
        """Count and tell it."""


class DepthImages:
    """
    Subscribe to the images of one camera, and give each depth image with its color as one cloud.

    The newest camera_info counts, whatever its stamp: a calibration does not change from image to
    image, and some drivers send it once. Images are decoded where they become keyframes.

    Parameters
    ----------
    node : Node
    settings : DepthInputConfig
    qos : QoSProfile
        Of the images.
    work : Taking

    """

    def __init__(self, node: Node, settings: DepthInputConfig, qos: QoSProfile, work: Taking):
        self._node, self._settings, self._work = node, settings, work
        self._camera: Camera | None = None
        self._info: CameraInfo | None = None
        self._pairs = ImagePairs(round(settings.slop * 1e9), self._take, work.refuse)
        depth_type = Image if settings.transport == 'raw' else CompressedImage
        self._subscriptions = [
            node.create_subscription(CameraInfo, CAMERA_INFO, self._on_info, qos),
            node.create_subscription(depth_type, DEPTH, self._on_depth, qos),
        ]
        if settings.color != 'none':
            color_type = Image if settings.color == 'raw' else CompressedImage
            self._subscriptions.append(
                node.create_subscription(color_type, COLOR, self._on_color, qos)
            )

    def close(self) -> None:
        """Stop listening."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)

    def _on_info(self, message: CameraInfo) -> None:
        """Keep a calibration; rays are computed again only where it changed."""
        known = self._info
        if known is not None and all(
            getattr(known, name) == getattr(message, name)
            for name in ('width', 'height', 'distortion_model')
        ):
            if all(list(getattr(known, n)) == list(getattr(message, n)) for n in ('d', 'k', 'p')):
                return
        try:
            self._camera, self._info = camera_of(message, self._settings.image), message
        except ScanError as error:
            self._camera = self._info = None
            self._work.refuse(error)

    def _on_depth(self, message: Any) -> None:
        if self._settings.color == 'none':
            self._take(message, None)
        else:
            self._pairs.add_depth(time_from_msg(message.header.stamp), message)

    def _on_color(self, message: Any) -> None:
        self._pairs.add_color(time_from_msg(message.header.stamp), message)

    def _take(self, depth: Any, color: Any) -> None:
        camera, settings = self._camera, self._settings

        def decode() -> Scan:
            if camera is None:
                raise ScanError(
                    'depth image: expected a usable camera_info before it, got none; check the '
                    f'topic {self._node.resolve_topic_name(CAMERA_INFO)}'
                )
            return scan_from_depth(
                depth, camera, color, pixel_step=settings.pixel_step, edge=settings.edge
            )

        self._work.take(Measured(depth.header, decode, is_cloud=False))
