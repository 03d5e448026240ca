"""Files of truth and predictions that are scored."""
