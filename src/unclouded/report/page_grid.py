"""The common grid of the dates on a series page, its points, and its place on the Earth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.warp import Resampling, reproject
from rasterio.warp import transform as transform_points

from unclouded.reading.files.raster import reduced_size
from unclouded.reading.preview import ScenePreview

_POINTS = 64
"""Largest number of points with NDVI along the longer side."""


@dataclass(frozen=True)
class PageGrid:
    """The grid of the pictures and points of all dates: that of the first date."""

    crs: CRS
    transform: Affine
    height: int
    width: int

    def points(self) -> tuple[int, int, NDArray[np.float64], NDArray[np.float64]]:
        """Number of rows and columns of the points, and their coordinates x and y, which are pixel centres."""
        rows, columns = reduced_size(self.height, self.width, _POINTS)
        down = (np.arange(rows) + 0.5) * self.height / rows
        across = (np.arange(columns) + 0.5) * self.width / columns
        x, y = self.transform @ tuple(
            axis.ravel() for axis in np.meshgrid(np.floor(across) + 0.5, np.floor(down) + 0.5)
        )
        return rows, columns, np.asarray(x), np.asarray(y)


def on_grid(grid: PageGrid, preview: ScenePreview, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Resample an image (C, h, w) of a date to the page's grid by nearest pixels, since it may hold codes."""
    if (preview.info.crs, preview.transform, image.shape[1:]) == (grid.crs, grid.transform, (grid.height, grid.width)):
        return image
    resampled = np.full((len(image), grid.height, grid.width), np.nan, np.float32)
    reproject(
        image,
        resampled,
        src_transform=preview.transform,
        src_crs=preview.info.crs,
        src_nodata=np.nan,
        dst_transform=grid.transform,
        dst_crs=grid.crs,
        dst_nodata=np.nan,
        resampling=Resampling.nearest,
    )
    return resampled


def degrees_of(grid: PageGrid) -> dict[str, list[list[float]]] | None:
    """Polynomials from shares of the width and height to degrees and back; None if the grid has no such coordinates.

    Of second order, which is accurate to a metre over the 110 km of a tile.
    """
    across, down = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 1, 9), np.linspace(0, 1, 9)))
    x, y = grid.transform @ (across * grid.width, down * grid.height)
    longitude, latitude = (np.asarray(axis) for axis in transform_points(grid.crs, "EPSG:4326", x, y)[:2])
    if not (np.isfinite(longitude).all() and np.isfinite(latitude).all()):
        return None
    longitude = np.where(longitude - longitude[0] > 180, longitude - 360, longitude)
    longitude = np.where(longitude - longitude[0] < -180, longitude + 360, longitude)
    centre = [float(longitude.mean()), float(latitude.mean())]
    return {
        "centre": [centre],
        "degrees": _fitted(across, down, (longitude - centre[0], latitude - centre[1])),
        "shares": _fitted(longitude - centre[0], latitude - centre[1], (across, down)),
    }


def _fitted(u: NDArray[np.float64], v: NDArray[np.float64], values: Sequence[NDArray[np.float64]]) -> list[list[float]]:
    terms = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=1)
    return [[float(c) for c in np.linalg.lstsq(terms, value, rcond=None)[0]] for value in values]
