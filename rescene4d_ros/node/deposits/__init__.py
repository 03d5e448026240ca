"""Visits that the node deposits in a fleet in place of processing them, and their results."""
