"""From the cleared dates of a place to one image of them, and to its vegetation over time."""
