"""Procedural landscapes: a BigEarthNet look-alike with truth."""
