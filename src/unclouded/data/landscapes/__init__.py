"""Procedural landscapes: simulated patches like those of BigEarthNet, with truth."""
