"""What one training step sees: prepared sequences and samples of them."""
