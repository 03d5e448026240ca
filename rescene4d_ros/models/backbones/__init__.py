"""Networks that give every voxel of one visit its features; they never mix visits."""
