"""Where things stand in a room: its shell, its recipe, its free places."""
