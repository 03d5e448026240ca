"""Scans in, persistent identities and changes out, one visit after the other."""
