"""Grids: whether files of several resolutions belong together, and bringing the coarse ones to the finest grid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.io import DatasetReader
from rasterio.warp import transform
from rasterio.windows import Window

from unclouded.errors import InputError
from unclouded.reading.files.pixels import read_unmasked
from unclouded.reading.files.raster import FAULTS, shown
from unclouded.reflectance import Encoding, holds_data

TRAINED_PIXEL = 10.0
"""Pixel size in metres on which the networks were trained."""

METRES_PER_DEGREE = 111_320.0
"""Of longitude along the equator."""


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


def pixel_metres(crs: CRS | None, grid: Affine, height: int, width: int) -> float:
    """Return the size of a pixel on the ground in metres, at the middle; `TRAINED_PIXEL` where nothing says it."""
    if crs is None:
        return TRAINED_PIXEL
    column, row = width / 2, height / 2
    corners = [grid @ place for place in ((column, row), (column + 1, row), (column, row + 1))]
    try:
        longitudes, latitudes = transform(crs, "EPSG:4326", *zip(*corners, strict=True))[:2]
    except FAULTS:
        return TRAINED_PIXEL  # a local system, which lies nowhere on the Earth
    if not all(map(math.isfinite, (*longitudes, *latitudes))):
        return TRAINED_PIXEL
    # By chords, which know neither where longitude starts again, at 180 degrees, nor where it ends, at the poles.
    middle, *others = map(_on_unit_sphere, longitudes, latitudes)
    sides = [math.dist(middle, other) * math.degrees(1) * METRES_PER_DEGREE for other in others]
    return math.sqrt(sides[0] * sides[1])


def _on_unit_sphere(longitude: float, latitude: float) -> tuple[float, float, float]:
    along, up = math.radians(longitude), math.radians(latitude)
    return math.cos(up) * math.cos(along), math.cos(up) * math.sin(along), math.sin(up)


def pixel_note(dataset: DatasetReader) -> list[str]:
    """Return a note when pixels are not of the size on the ground on which the networks were trained."""
    metres = pixel_metres(dataset.crs, dataset.transform, dataset.height, dataset.width)
    if 0.9 <= metres / TRAINED_PIXEL <= 1.1:
        return []
    return [f"pixels are about {metres:.3g} m; the networks were trained on {TRAINED_PIXEL:.0f} m, so expect less"]


class Resampled:
    """Bilinear view of a coarser dataset on the finest grid.

    Every output pixel is computed from its own place alone, so windows that overlap agree. No-data does not bleed:
    it stays where the nearest coarse pixel is no-data, and has no weight elsewhere.
    """

    def __init__(self, dataset: DatasetReader, transform: Affine, encoding: Encoding) -> None:
        self._dataset = dataset
        self._encoding = encoding
        own = dataset.transform
        self._rows = (transform.f - own.f) / own.e, transform.e / own.e
        self._columns = (transform.c - own.c) / own.a, transform.a / own.a

    def read(self, indexes: Sequence[int], row: int, column: int, height: int, width: int) -> NDArray[np.generic]:
        """Read the window (C, height, width) of the finest grid."""
        rows = neighbours(*self._rows, np.arange(row, row + height), self._dataset.height)
        columns = neighbours(*self._columns, np.arange(column, column + width), self._dataset.width)
        first_row, last_row = int(rows.before[0]), int(rows.after[-1])
        first_column, last_column = int(columns.before[0]), int(columns.after[-1])
        window = Window(first_column, first_row, last_column - first_column + 1, last_row - first_row + 1)
        coarse = read_unmasked(self._dataset, indexes, window, self._encoding.nodata)
        valid = holds_data(coarse, self._encoding)
        rows, columns = rows.counted_from(first_row), columns.counted_from(first_column)
        out = np.empty((len(indexes), height, width), coarse.dtype)
        for position, band in enumerate(coarse):
            out[position] = interpolate(band, valid[position], rows, columns)
        return out


class Neighbours(NamedTuple):
    """For fine pixels along one axis: coarse pixels before and after, weight of the latter, and the nearest one."""

    before: NDArray[np.intp]
    after: NDArray[np.intp]
    share: NDArray[np.float64]
    nearest: NDArray[np.intp]

    def counted_from(self, first: int) -> Neighbours:
        """The same, with coarse pixels counted from the one of number `first`."""
        return Neighbours(self.before - first, self.after - first, self.share, self.nearest - first)


def interpolate(
    coarse: NDArray[np.generic], valid: NDArray[np.bool_], rows: Neighbours, columns: Neighbours
) -> NDArray[np.generic]:
    """Interpolate coarse pixels (h, w) bilinearly at `rows` and `columns`; those that are not `there` do not bleed."""
    exact = np.float32 if coarse.dtype.itemsize <= 2 or coarse.dtype == np.float32 else np.float64
    holes = not valid.all()
    values = _bilinear(np.where(valid, coarse, 0).astype(exact) if holes else coarse.astype(exact), rows, columns)
    if holes:
        weights = _bilinear(valid.astype(exact), rows, columns)
        # Where the nearest pixel is data its weight is a quarter or more. A pixel amid data is left as it is: the
        # same as in a window without holes, to the last bit.
        around = valid[rows.before] & valid[rows.after]
        partial = ~(around[:, columns.before] & around[:, columns.after])
        np.divide(values, weights, out=values, where=partial & (weights > 0.2))
    if coarse.dtype.kind in "iu":
        np.rint(values, out=values)
    result: NDArray[np.generic] = values.astype(coarse.dtype)
    if holes:
        nearest = np.ix_(rows.nearest, columns.nearest)
        np.copyto(result, coarse[nearest], where=~valid[nearest])
    return result


def _bilinear(coarse: NDArray[np.floating], rows: Neighbours, columns: Neighbours) -> NDArray[np.floating]:
    down, across = rows.share.astype(coarse.dtype)[:, None], columns.share.astype(coarse.dtype)
    lines = coarse[rows.before] * (1 - down) + coarse[rows.after] * down
    values: NDArray[np.floating] = lines[:, columns.before] * (1 - across) + lines[:, columns.after] * across
    return values


def neighbours(start: float, step: float, positions: NDArray[np.intp], size: int) -> Neighbours:
    """Find the neighbours of fine pixels, which start at `start` and are `step` long in pixels of the coarse `size`."""
    place = start + (positions + 0.5) * step - 0.5
    before = np.floor(place).astype(np.intp)
    share = place - before
    low, high = np.clip(before, 0, size - 1), np.clip(before + 1, 0, size - 1)
    return Neighbours(low, high, share, np.where(share < 0.5, low, high))
