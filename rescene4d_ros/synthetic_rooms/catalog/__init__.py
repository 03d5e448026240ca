"""Furniture from 3D model catalogs on disk; knows files and single models, not rooms or scans."""

from rescene4d_ros.synthetic_rooms.catalog.model_catalog import APT_FOLDER, Catalog, SPLITS

__all__ = ['APT_FOLDER', 'Catalog', 'SPLITS']
