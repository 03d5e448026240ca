"""Pictures of clouds, objects and changes."""
