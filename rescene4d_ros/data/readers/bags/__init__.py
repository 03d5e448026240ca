"""Recordings of ROS 2 (MCAP, SQLite) and ROS 1, read in one stream, also damaged ones."""
