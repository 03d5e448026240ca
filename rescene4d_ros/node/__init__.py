"""The ROS 2 node around the scene tracker; the only room that knows ROS, and no algorithm."""
