"""Sparse voxels and convolution on them, in PyTorch; knows nothing of scans or objects."""
