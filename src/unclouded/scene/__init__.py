"""Scenes: reading any Sentinel-2 source in windows, clearing it tile by tile, writing the result."""
