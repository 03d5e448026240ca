"""One page of HTML that says what changed in a memory, for people who have nothing installed."""
