"""Data sets whose places are scanned once, or whose scans of one place are not linked."""
