"""Depth images, color images and camera_info as input of the visit builder."""

from __future__ import annotations

from typing import Any, Protocol

from rclpy.node import Node
from rclpy.qos import QoSProfile
from rescene4d_ros.data.readers.images.config import DepthInputConfig
from rescene4d_ros.data.readers.images.depth_stream import DepthStream
from rescene4d_ros.node.messages.conversions import time_from_msg
from rescene4d_ros.node.visit_builder.inputs.measured import Measured
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

    Images are decoded where they become keyframes.

    Parameters
    ----------
    node : Node
    settings : DepthInputConfig
    qos : QoSProfile
        Of the images.
    work : Taking

    """

    def __init__(self, node: Node, settings: DepthInputConfig, qos: QoSProfile, work: Taking):
        self._node = node
        stream: DepthStream[Any] = DepthStream(
            settings,
            node.resolve_topic_name(CAMERA_INFO),
            lambda image: image,
            lambda depth, decode: work.take(Measured(depth.header, decode, is_cloud=False)),
            work.refuse,
        )
        depth_type = Image if settings.transport == 'raw' else CompressedImage
        self._subscriptions = [
            node.create_subscription(CameraInfo, CAMERA_INFO, stream.add_info, qos),
            node.create_subscription(depth_type, DEPTH, _stamped(stream.add_depth), qos),
        ]
        if settings.color != 'none':
            color_type = Image if settings.color == 'raw' else CompressedImage
            self._subscriptions.append(
                node.create_subscription(color_type, COLOR, _stamped(stream.add_color), qos)
            )

    def close(self) -> None:
        """Stop listening."""
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)


def _stamped(add):
    """Return a callback that adds an image with its stamp."""

    def callback(message: Any) -> None:
        add(time_from_msg(message.header.stamp), message)

    return callback
