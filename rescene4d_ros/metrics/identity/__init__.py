"""Whether objects keep their ids from visit to visit."""
