"""Fit of the quality of candidate masks to rooms of which the truth is known."""
