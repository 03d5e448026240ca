"""`rescene4d train`: learn weights from sequences."""
