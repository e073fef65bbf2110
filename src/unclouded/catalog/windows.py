"""Windows of the bands of an overpass for an area, read from remote files and written to local ones.

A window holds the area and its surroundings, see `reading.grids.area`, at the pixel size and with the DN of the band.
Windows of coarser bands are larger by a pixel, which their interpolation to the finest grid needs, so that the crop of
a cached item equals that of the whole scene, byte for byte.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from pathlib import Path

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.io import DatasetReader

from unclouded.errors import FileError
from unclouded.files import aside, publish
from unclouded.reading.files.georeference import check_georeference
from unclouded.reading.files.pixels import read_unmasked
from unclouded.reading.files.raster import FAULTS, open_raster, shown, window_of
from unclouded.reading.grids.area import ALIGNMENT, Area
from unclouded.reflectance import nothing
from unclouded.tiles import Box

_ROWS = 2048
"""Rows in memory at a time, approximately."""

_NEARLY = 0.01
"""Share of a pixel by which aligned grids may differ."""

_NO_CACHE = {"CPL_VSIL_CURL_NON_CACHED": "/vsicurl/:/vsis3/:/vsigs/"}
"""GDAL option by which nothing is cached of remote files after they are closed, failures included, for retries."""


@dataclass(frozen=True)
class PixelGrid:
    """A grid of pixels, as `reading.grids.area.Grid`."""

    source: str
    width: int
    height: int
    crs: CRS
    transform: Affine

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom."""
        return (*(self.transform @ (0, 0)), *(self.transform @ (self.width, self.height)))

    def crop(self, box: Box) -> PixelGrid:
        """The grid of a box of pixels, which may reach beyond this grid."""
        corner = self.transform @ Affine.translation(box.column, box.row)
        return PixelGrid(self.source, box.width, box.height, self.crs, corner)

    def place_of(self, other: PixelGrid) -> Box:
        """The box of pixels nearest to the bounds of another grid in the same reference system."""
        left, top, right, bottom = other.bounds
        (column, row), (last, end) = ~self.transform @ (left, top), ~self.transform @ (right, bottom)
        return Box(round(row), round(column), round(end) - round(row), round(last) - round(column))


@dataclass(frozen=True)
class OverpassWindow:
    """The window of an overpass.

    Attributes:
        window: the area and its surroundings, on the finest grid.
        whole: the union of the tiles and the area, on the same grid.
        tiles: indices of the tiles that are on that grid.
    """

    window: PixelGrid
    whole: PixelGrid
    tiles: tuple[int, ...]


def overpass_window(addresses: Sequence[str], area: Area) -> OverpassWindow:
    """Determine the window of an overpass by the finest band of each tile, the best tile first.

    Raises:
        InputError: the area lies outside the tiles, or a file has no georeference.
        FileError: a file cannot be read.
    """
    grids = []
    with rasterio.Env(**_NO_CACHE):
        for address in addresses:
            with open_raster(address) as file:
                check_georeference(file)
                grids.append(_grid(file))
    first = grids[0]
    fitting = tuple(number for number, grid in enumerate(grids) if _is_aligned(grid, first))
    whole = first.crop(reduce(Box.joined, (first.place_of(grids[number]) for number in fitting)))
    window, _ = area.crop(whole)  # raises if the area lies outside
    found = area.box(whole)
    # Dates that lack a part of the area are on the same grid as the others, with no data there. The window starts at
    # whole cells of the best tile, as its crop would.
    row, column = (start // ALIGNMENT * ALIGNMENT for start in (min(found.row, 0), min(found.column, 0)))
    height, width = max(found.bottom, whole.height) - row, max(found.right, whole.width) - column
    whole = whole.crop(Box(row, column, height, width))
    window, _ = area.crop(whole)
    return OverpassWindow(whole.crop(window), whole, fitting)


def write_window(addresses: Sequence[str], place: OverpassWindow, path: Path) -> None:
    """Write the window of a band, a mosaic of its tiles in order of preference.

    Args:
        addresses: of the band in each of the overpass's tiles, the best first.
        place: the window.
        path: of the GeoTIFF, which appears when it is complete.

    Raises:
        FileError: a file cannot be read, or the window cannot be written.
        OutputExistsError: another run is writing it.
    """
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(**_NO_CACHE))
        files = [stack.enter_context(open_raster(address)) for address in addresses]
        best = files[0]
        grid = _grid(best)
        window, whole = grid.place_of(place.window), grid.place_of(place.whole)
        if grid.transform.a > place.window.transform.a * 1.01:
            window = window.grown(1, whole)
        folder = stack.enter_context(aside(path))
        target = grid.crop(window)
        profile = {
            "driver": "GTiff",
            "width": target.width,
            "height": target.height,
            "count": 1,
            "dtype": best.dtypes[0],
            "nodata": best.nodata,
            "crs": best.crs,
            "transform": target.transform,
            "tiled": True,
            "compress": "deflate",
            "zlevel": 1,
            "predictor": 2 if np.dtype(best.dtypes[0]).kind in "iu" else 1,
            "bigtiff": "if_safer",
        }
        part = folder / path.name
        try:
            with rasterio.open(part, "w", **profile) as written:
                written.scales, written.offsets = best.scales, best.offsets
                for strip in _strips(window, best.block_shapes[0][0]):
                    pixels = _mosaic(files, grid, strip)
                    written.write(pixels, 1, window=window_of(strip.within(window)))
        except FAULTS as error:
            raise FileError(f"{path}: cannot be written ({error}); check the disk") from error
        publish({part: path})


def _grid(file: DatasetReader) -> PixelGrid:
    return PixelGrid(shown(file.name), file.width, file.height, file.crs, file.transform)


def _is_aligned(grid: PixelGrid, first: PixelGrid) -> bool:
    if grid.crs != first.crs or abs(grid.transform.a - first.transform.a) > _NEARLY * first.transform.a:
        return False
    column, row = ~first.transform @ (grid.transform.c, grid.transform.f)
    return bool(max(abs(column - round(column)), abs(row - round(row))) < _NEARLY)


def _strips(window: Box, block: int) -> Iterator[Box]:
    """Cut a window into strips of whole rows of blocks, so that no block is read twice."""
    step = max(1, _ROWS // block) * block
    ends = [window.row, *range((window.row // step + 1) * step, window.bottom, step), window.bottom]
    for top, bottom in pairwise(ends):
        yield Box(top, window.column, bottom - top, window.width)


def _mosaic(files: Sequence[DatasetReader], grid: PixelGrid, strip: Box) -> NDArray[np.generic]:
    """Read a strip (h, w) on the grid of the first file; where it has no data, the pixels of the next ones are used."""
    kind, nodata = np.dtype(files[0].dtypes[0]), files[0].nodata
    empty = nothing(kind, nodata)
    pixels: NDArray[np.generic] = np.full((strip.height, strip.width), empty, kind)
    for file in files:
        holes = np.isnan(pixels) if empty != empty else pixels == empty
        if not holes.any():
            break
        rows, columns = np.flatnonzero(holes.any(axis=1)), np.flatnonzero(holes.any(axis=0))
        lacking = Box(
            strip.row + int(rows[0]),
            strip.column + int(columns[0]),
            int(rows[-1] - rows[0]) + 1,
            int(columns[-1] - columns[0]) + 1,
        )
        place = grid.place_of(_grid(file))
        if not lacking.meets(place):
            continue
        held = lacking.shared(place)
        found = read_unmasked(file, [1], window_of(held.within(place)), nodata)[0]
        at = held.within(strip).slices
        np.copyto(pixels[at], found.astype(kind), where=holes[at])
    return pixels
