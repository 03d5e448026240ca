"""A depth camera in a room: its path, its rays, its light, its fused cloud."""
