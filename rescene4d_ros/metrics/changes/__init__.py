"""Scores of reported changes."""
