"""Upkeep of a stored memory: retention, integrity, relocation to another database."""
