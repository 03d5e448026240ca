"""What a planner asks: what is near, is it still there, where to stand, what to avoid."""
