"""Grids, areas and reference systems: where a scene lies, and what else lies there."""
