"""`rescene4d train`: train weights on sequences."""
