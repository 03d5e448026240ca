"""The 3RScan data set: files, changes between scans, sequences."""
