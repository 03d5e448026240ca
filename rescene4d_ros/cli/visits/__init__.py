"""Clouds, bags and live recordings as visits: read, checked, and processed into a memory."""
