"""The `rescene4d doctor` command: is this machine ready, line by line."""
