"""A memory in the browser: its places at every visit, its objects and its changes."""
