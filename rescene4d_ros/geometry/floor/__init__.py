"""Floor and walls of rooms, and the tiles of a floor plan."""
