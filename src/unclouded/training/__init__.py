"""The objectives and the training loop."""
