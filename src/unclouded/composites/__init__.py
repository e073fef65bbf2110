"""Products of a cleared series: temporal composites, and NDVI over time."""
