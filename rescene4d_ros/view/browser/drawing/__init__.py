"""What a browser draws in 3D: points, boxes, labels and moves, and what a click hits."""
