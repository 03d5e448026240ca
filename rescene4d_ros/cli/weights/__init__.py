"""Commands on weights: convert published checkpoints, keep weights by name."""
