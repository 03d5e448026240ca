"""Samples of a training step: prepared sequences and samples of them."""
