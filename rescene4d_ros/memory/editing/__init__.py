"""Corrections by people, and what they undo or rebuild in a memory."""
