"""Poses, boxes, grids, registration, visibility of point sets; knows nothing of files or ROS."""
