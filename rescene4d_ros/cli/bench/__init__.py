"""`rescene4d bench`: cost of segmentation and memory on this machine."""
