"""`rescene4d evaluate` and `rescene4d score`: scores of methods side by side."""
