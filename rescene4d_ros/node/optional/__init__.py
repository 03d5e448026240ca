"""Interfaces of packages that not every ROS machine has: vision_msgs and bond."""
