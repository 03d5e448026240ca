"""Sequence files of made or annotated visits, and their variation for training."""
