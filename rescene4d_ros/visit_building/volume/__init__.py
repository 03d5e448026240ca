"""The volume in which a visit is fused: voxels, what is free, and the points that remain."""
