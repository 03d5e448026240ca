"""Scores of identity over visits."""
