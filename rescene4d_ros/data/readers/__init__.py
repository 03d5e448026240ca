"""Readers and writers of clouds, messages and bags."""
