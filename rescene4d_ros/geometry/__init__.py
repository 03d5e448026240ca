"""Poses, boxes, grids, registration, visibility of point sets."""
