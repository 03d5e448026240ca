"""Segmentation of many rooms at once: overlapping tiles of the floor plan, joined."""
