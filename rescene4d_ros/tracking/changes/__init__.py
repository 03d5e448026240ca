"""What changed between visits: states, motions, and the confidence of each change."""
