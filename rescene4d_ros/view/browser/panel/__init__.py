"""What a browser shows beside the scene: list, page of an object, changes, corrections."""
