"""Any Sentinel-2 source in windows: stacks, folders, products, STAC items; their grids, offsets and names."""
