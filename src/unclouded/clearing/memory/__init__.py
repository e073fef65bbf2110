"""Results in memory, as `xarray` objects: scenes, dask chunks, series, areas of a catalogue."""
