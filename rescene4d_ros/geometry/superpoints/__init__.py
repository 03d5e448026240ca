"""Over-segmentation of clouds and meshes into superpoints that do not cross object borders."""
