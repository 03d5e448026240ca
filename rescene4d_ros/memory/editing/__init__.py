"""Corrections by people, undo, and records rebuilt from stored visits."""
