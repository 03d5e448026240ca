"""From observations to identities and changes; pure reasoning without disk or network."""
