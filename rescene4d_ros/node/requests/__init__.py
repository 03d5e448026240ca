"""Answers to requests: each module is imported when the first request for it arrives."""
