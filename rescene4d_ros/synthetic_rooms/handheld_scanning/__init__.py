"""Scanners as people use them: sensors with their errors, a hand-held path, fusion to a cloud."""
