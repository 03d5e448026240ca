"""Depth and color images of a camera, as ROS messages carry them, to points."""
