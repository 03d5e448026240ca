"""Triangles, materials and patterns of everything in a room."""
