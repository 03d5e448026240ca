"""Choice of instances among many masks: candidates, their quality, a set without overlap."""
