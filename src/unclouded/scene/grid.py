"""Grids: whether files of several resolutions belong together, and bringing the coarse ones to the finest grid."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

from unclouded.errors import InputError
from unclouded.scene.raster import read_window, shown

TRAINED_PIXEL = 10.0
"""Pixel size in metres on which the networks were trained."""


def check_grids(source: str, datasets: Sequence[DatasetReader]) -> DatasetReader:
    """Return the dataset with the finest grid; InputError unless all cover the same area in the same CRS."""
    finest = min(datasets, key=lambda dataset: dataset.transform.a)
    for dataset in datasets:
        name = shown(dataset.name).rsplit("/", 1)[-1]
        if dataset.crs != finest.crs:
            raise InputError(
                f"{source}: {name} is in {dataset.crs.to_string()}, other bands in {finest.crs.to_string()}; "
                "one coordinate reference system is accepted; run gdalwarp -t_srs first"
            )
        coarse = dataset.transform.a > finest.transform.a * 1.01
        tolerance = dataset.transform.a * (1.0 if coarse else 0.01)
        gap = max(abs(a - b) for a, b in zip(dataset.bounds, finest.bounds, strict=True))
        if gap > tolerance:
            raise InputError(
                f"{source}: {name} does not cover the same area as the other bands (edges differ by {gap:.6g}); "
                "give the bands of one scene, cut alike"
            )
    return finest


def pixel_note(dataset: DatasetReader) -> list[str]:
    """Return a note when pixels are not of the size on which the networks were trained."""
    if dataset.crs.is_projected:
        metres = dataset.transform.a * float(dataset.crs.linear_units_factor[1])
    else:
        metres = dataset.transform.a * 111_320.0
    if 0.9 <= metres / TRAINED_PIXEL <= 1.1:
        return []
    return [f"pixels are about {metres:.3g} m; the networks were trained on {TRAINED_PIXEL:.0f} m, so expect less"]


_Pick: TypeAlias = tuple[NDArray[np.intp], ...]


class Resampled:
    """Bilinear view of a coarser dataset on the finest grid.

    Every output pixel is computed from its own place alone, so windows that overlap agree. No-data does not bleed:
    it stays where the nearest coarse pixel is no-data, and has no weight elsewhere.
    """

    def __init__(self, dataset: DatasetReader, transform: Affine, nodata: float | None) -> None:
        self._dataset = dataset
        self._nodata = nodata
        own = dataset.transform
        self._rows = (transform.f - own.f) / own.e, transform.e / own.e
        self._columns = (transform.c - own.c) / own.a, transform.a / own.a

    def read(self, indexes: Sequence[int], row: int, column: int, height: int, width: int) -> NDArray[np.generic]:
        """Read the window (C, height, width) of the finest grid."""
        top, bottom, down, near_row = _neighbours(*self._rows, row, height, self._dataset.height)
        left, right, across, near_column = _neighbours(*self._columns, column, width, self._dataset.width)
        first_row, first_column = int(top[0]), int(left[0])
        window = Window(first_column, first_row, int(right[-1]) - first_column + 1, int(bottom[-1]) - first_row + 1)
        coarse = read_window(self._dataset, indexes, window)
        corners = [
            (np.ix_(rows - first_row, columns - first_column), vertical[:, None] * horizontal[None, :])
            for rows, vertical in ((top, 1 - down), (bottom, down))
            for columns, horizontal in ((left, 1 - across), (right, across))
        ]
        nearest = np.ix_(near_row - first_row, near_column - first_column)
        return np.stack([self._interpolate(band, corners, nearest) for band in coarse])

    def _interpolate(
        self, coarse: NDArray[np.generic], corners: list[tuple[_Pick, NDArray[np.float64]]], nearest: _Pick
    ) -> NDArray[np.generic]:
        there = np.isfinite(coarse)
        if self._nodata is not None:
            there &= coarse != self._nodata
        values = np.where(there, coarse, 0)
        total, weights = np.zeros(corners[0][1].shape), np.zeros(corners[0][1].shape)
        for pick, share in corners:
            weight = share * there[pick]
            total += weight * values[pick]
            weights += weight
        # Where the nearest pixel is data its weight is a quarter or more, so this changes only what is not kept.
        total /= np.maximum(weights, 0.2)
        if coarse.dtype.kind in "iu":
            np.rint(total, out=total)
        kept = there[nearest]
        result: NDArray[np.generic] = np.where(kept, np.where(kept, total, 0).astype(coarse.dtype), coarse[nearest])
        return result


def _neighbours(
    start: float, step: float, first: int, count: int, size: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float64], NDArray[np.intp]]:
    """For `count` fine pixels from `first`: coarse pixels before and after, weight of the latter, nearest one."""
    place = start + (np.arange(first, first + count) + 0.5) * step - 0.5
    before = np.floor(place).astype(np.intp)
    share = place - before
    low, high = np.clip(before, 0, size - 1), np.clip(before + 1, 0, size - 1)
    return low, high, share, np.where(share < 0.5, low, high)
