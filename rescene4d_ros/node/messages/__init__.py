"""ROS messages made of structures and back; topics and services by name."""
