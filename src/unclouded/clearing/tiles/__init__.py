"""The last pass: tiles read, translated by the network where they are not clear, and composed."""
