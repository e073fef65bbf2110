"""How good a cleared image is."""
