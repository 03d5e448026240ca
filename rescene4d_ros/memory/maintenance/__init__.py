"""Retention, integrity, repair, backup, and relocation to another database."""
