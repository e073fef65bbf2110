"""Raster files as GDAL reads them: which are accepted, their pixels, and what they hide."""
