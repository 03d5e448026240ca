"""Files of truth and predictions."""
