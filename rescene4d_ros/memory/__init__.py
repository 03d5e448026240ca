"""Visits, objects, identities and changes of one map on disk; imports neither torch nor ROS."""
