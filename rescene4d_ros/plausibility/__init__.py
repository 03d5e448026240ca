"""Whether a cloud can be a visit: unit, axes, stray points, and whether it lies on the memory."""
