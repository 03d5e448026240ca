"""Readers of annotated data sets of real rooms."""
