"""Rooms full of things that stand on, in and against each other."""
