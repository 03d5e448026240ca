"""What was seen, which object is which, and what changed, on disk; knows neither torch nor ROS."""
