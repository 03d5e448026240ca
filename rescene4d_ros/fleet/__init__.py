"""Visits that robots deposit and workers process: one database, many maps, leases."""
