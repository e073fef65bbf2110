"""Another image on the grid of a scene: another date of the place, whatever its grid, extent or reference system."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from rasterio.warp import transform

from unclouded.errors import InputError
from unclouded.reading.grids.overlap import bounds_of, check_overlap, turns_between
from unclouded.reading.info import Raster, SceneInfo
from unclouded.reflectance import scaled, valid_pixels

_NODE = 32
"""Pixels between the places whose coordinates are transformed exactly; between them they are interpolated."""

_WANTED = "another date of the same place"

_NEAR_A_PIXEL = 1e-3
"""Share of a pixel by which grids may differ and still be called the same."""


class AlignedImage:
    """An image of the same area in windows of a scene's grid, as reflectance (bilinear, NaN where it shows nothing).

    A pixel's value does not depend on the window in which it is read. An image with finer pixels is averaged to about
    the size of the scene's first.

    Attributes:
        info: of the image, on its own grid.
        scene: on whose grid it is read.
    """

    def __init__(self, image: Raster, scene: SceneInfo) -> None:
        """Align `image` with the grid of `scene`.

        Raises:
            InputError: one of the two has no place on the ground, or they have no area in common.
        """
        self.info, self._image, self.scene = image.info, image, scene
        self._foreign = self.info.crs != scene.crs
        if (self.info.crs is None or scene.crs is None) and not self._same_shape():
            raise InputError(
                f"{self.info.source}: has no coordinate reference system in common with {scene.source}, and not its "
                f"size ({self.info.width} x {self.info.height} against {scene.width} x {scene.height}); georeference it"
            )
        self._placed = self.info.crs is not None and scene.crs is not None
        if self._placed:
            check_overlap(self.info.source, self.info.crs, bounds_of(self.info), scene, _WANTED)
        own, wanted = (self.info.transform, scene.transform) if self._placed else (Affine.identity(),) * 2
        finer = (1.0, 1.0)
        if self._placed:
            finer = self._pixels_along() if self._foreign else (abs(wanted.e / own.e), abs(wanted.a / own.a))
        west, _, east, _ = bounds_of(self.info)
        self._middle = (west + east) / 2
        # Down and across apart, for pixels need not be square.
        self._shrink = max(1, round(finer[0])), max(1, round(finer[1]))
        # From coordinates to columns and rows of the shrunk image, counted from the centre of its first pixel.
        self._to_own = Affine.translation(-0.5, -0.5) * Affine.scale(1 / self._shrink[1], 1 / self._shrink[0]) * ~own
        self._shift = self._whole_shift(own, wanted)

    def read(
        self, row: int, column: int, height: int, width: int, bands: Sequence[int] | None = None
    ) -> NDArray[np.float32]:
        """Read the window (C, height, width) of the scene's grid, reflectance 1.0 = 100 %, NaN where nothing is shown.

        Args:
            row: first row.
            column: first column.
            height: rows.
            width: columns.
            bands: numbers of those that are wanted, all unless given; what one of the others lacks, they lack too.

        Raises:
            FileError: the image cannot be read.
        """
        if self._shift is not None:
            down, across = self._shift
            return self._own(row + down, column + across, height, width, bands)
        place = self._places(row, column, height, width)
        rows, columns = _taps(place.rows), _taps(place.columns)
        window = self._own(rows.first, columns.first, rows.size, columns.size, bands)
        return _bilinear(window, rows, columns)

    def _own(self, row: int, column: int, height: int, width: int, wanted: Sequence[int] | None) -> NDArray[np.float32]:
        """Read a window of the image's own, shrunk, grid; NaN beyond its edges."""
        (tall, wide), info = self._shrink, self.info
        bands = list(range(len(info.bands)) if wanted is None else wanted)
        top, left = max(row, 0), max(column, 0)
        bottom, right = min(row + height, info.height // tall), min(column + width, info.width // wide)
        if top >= bottom or left >= right:
            return np.full((len(bands), height, width), np.nan, np.float32)
        box = (top * tall, left * wide, (bottom - top) * tall, (right - left) * wide)
        dn = self._image.read(*box)
        invalid = ~valid_pixels(dn, info.encoding)
        offsets = tuple(info.encoding.offsets[band] for band in bands)
        reflectance = scaled(dn if wanted is None else dn[bands], replace(info.encoding, offsets=offsets))
        if invalid.any():
            reflectance[:, invalid] = np.nan
        if (tall, wide) != (1, 1):
            shape = len(bands), bottom - top, tall, right - left, wide
            reflectance = reflectance.reshape(shape).mean((2, 4), dtype=np.float32)
        if (bottom - top, right - left) == (height, width):
            return reflectance
        made = np.full((len(bands), height, width), np.nan, np.float32)
        made[:, top - row : bottom - row, left - column : right - column] = reflectance
        return made

    def _places(self, row: int, column: int, height: int, width: int) -> _Places:
        """Rows and columns of the image that the pixels of a window lie at."""
        down = np.arange(row // _NODE, -(-(row + height) // _NODE) + 1) * _NODE
        across = np.arange(column // _NODE, -(-(column + width) // _NODE) + 1) * _NODE
        x, y = _apply(self.scene.transform, *np.meshgrid(across + 0.5, down + 0.5))
        if self._foreign:
            shape = x.shape
            xs, ys = transform(self.scene.crs, self.info.crs, x.ravel().tolist(), y.ravel().tolist())
            x, y = np.array(xs).reshape(shape), np.array(ys).reshape(shape)
            x += turns_between(x, self._middle, self.info.crs)
        own_columns, own_rows = _apply(self._to_own, x, y)
        inner = (
            (np.arange(row, row + height) - down[0]) / _NODE,
            (np.arange(column, column + width) - across[0]) / _NODE,
        )
        return _Places(_between(own_rows, *inner), _between(own_columns, *inner))

    def _whole_shift(self, own: Affine, wanted: Affine) -> tuple[int, int] | None:
        """Rows and columns between two grids of equal pixels that differ by whole pixels; None for all others."""
        if self._placed and self._foreign:
            return None
        across, down = self._to_own * (wanted * (0.5, 0.5))
        last = self._to_own * (wanted * (self.scene.width - 0.5, self.scene.height - 0.5))
        gaps = (
            across - round(across),
            down - round(down),
            last[0] - across - (self.scene.width - 1),
            last[1] - down - (self.scene.height - 1),
        )
        return (round(down), round(across)) if max(map(abs, gaps)) < _NEAR_A_PIXEL else None

    def _same_shape(self) -> bool:
        return (self.info.height, self.info.width) == (self.scene.height, self.scene.width)

    def _pixels_along(self) -> tuple[float, float]:
        """How many of the image's pixels lie down and across one of the scene's, at the middle of the scene."""
        grid, column, row = self.info.transform, self.scene.width / 2, self.scene.height / 2
        places = (column, row), (column, row + 1), (column + 1, row)
        x, y = zip(*(self.scene.transform * place for place in places), strict=True)
        xs, ys = map(np.array, transform(self.scene.crs, self.info.crs, list(x), list(y)))
        east, north = xs[1:] - xs[0], ys[1:] - ys[0]
        east += turns_between(east, 0.0, self.info.crs)
        # The scene's sides may slant on the image's grid.
        return float(np.hypot(*north) / abs(grid.e)), float(np.hypot(*east) / abs(grid.a))


class _Places(NamedTuple):
    """Rows and columns, (h, w) each, counted from the centre of the image's first pixel."""

    rows: NDArray[np.float64]
    columns: NDArray[np.float64]


class _Taps(NamedTuple):
    """The pixels before the wanted places, counted from the `first` of `size`, and the weight of those after them."""

    first: int
    size: int
    before: NDArray[np.intp]
    weight: NDArray[np.float32]

    @property
    def after(self) -> NDArray[np.intp]:
        """The pixels after them; those before where they have no weight, for there may be nothing after these."""
        return self.before + (self.weight > 0)


def _taps(places: NDArray[np.float64]) -> _Taps:
    # What lies on the middle of a pixel is of it alone, at the edge too.
    whole = np.rint(places)
    places = np.where(np.abs(places - whole) < _NEAR_A_PIXEL, whole, places)
    before = np.floor(places).astype(np.intp)
    first = int(before.min())
    return _Taps(first, int(before.max()) - first + 2, before - first, (places - before).astype(np.float32))


def _bilinear(window: NDArray[np.float32], rows: _Taps, columns: _Taps) -> NDArray[np.float32]:
    made = np.empty((len(window), *rows.before.shape), np.float32)
    for band, values in zip(made, window, strict=True):
        upper, lower = (
            values[down, columns.before] * (1 - columns.weight) + values[down, columns.after] * columns.weight
            for down in (rows.before, rows.after)
        )
        band[:] = upper * (1 - rows.weight) + lower * rows.weight
    return made


def _apply(
    t: Affine, x: NDArray[np.float64], y: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return t.a * x + t.b * y + t.c, t.d * x + t.e * y + t.f


def _between(nodes: NDArray[np.float64], down: NDArray[np.float64], across: NDArray[np.float64]) -> NDArray[np.float64]:
    """Interpolate values at nodes bilinearly at rows `down` and columns `across`, counted in nodes."""
    row, column = (
        np.minimum(down.astype(np.intp), len(nodes) - 2),
        np.minimum(across.astype(np.intp), nodes.shape[1] - 2),
    )
    r, c = (down - row)[:, None], across - column
    lines = nodes[row] * (1 - r) + nodes[row + 1] * r
    made: NDArray[np.float64] = lines[:, column] * (1 - c) + lines[:, column + 1] * c
    return made
