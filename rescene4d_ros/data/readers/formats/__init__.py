"""Point cloud file formats: each file returns the columns of one, every byte accounted for."""
