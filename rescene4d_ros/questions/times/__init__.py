"""Times in questions, as spans of a calendar."""
