"""Which remembered object each observation is, and how sure that is."""
