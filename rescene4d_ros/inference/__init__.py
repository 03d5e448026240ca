"""Weights and visits in, instances out: the only door to torch; knows no remembered ids."""
