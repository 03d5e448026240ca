"""The 3RScan data set: its files, who moved between scans, sequences; knows no other data set."""
