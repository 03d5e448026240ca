"""Sequence files of synthetic or annotated visits, and their augmentation."""
