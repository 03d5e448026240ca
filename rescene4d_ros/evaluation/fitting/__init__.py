"""What fitted weights are fitted to: stated changes and candidates, compared with the truth."""
