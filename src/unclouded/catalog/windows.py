"""The window that an area needs of the bands of an overpass, read far away and written as a file here.

It holds the area and its surroundings, see `reading.grids.area`, at the pixel size of each band, with the DN of the
band. Coarser bands reach a pixel further, which is what bringing them to the finest grid looks at: so the crop of what
is kept is that of the whole scene, byte for byte.
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
"""Rows that are in memory at once, about."""

_NEARLY = 0.01
"""Share of a pixel by which grids may differ and still be one."""

_FAR_AWAY = {"CPL_VSIL_CURL_NON_CACHED": "/vsicurl/:/vsis3/:/vsigs/"}
"""What GDAL found far away is forgotten with the file: that it could not be read, too, so that another try is one."""


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
        """The grid of a box of it, which may reach beyond."""
        corner = self.transform @ Affine.translation(box.column, box.row)
        return PixelGrid(self.source, box.width, box.height, self.crs, corner)

    def place_of(self, other: PixelGrid) -> Box:
        """The pixels that lie nearest to the bounds of another grid of the same reference system."""
        left, top, right, bottom = other.bounds
        (column, row), (last, end) = ~self.transform @ (left, top), ~self.transform @ (right, bottom)
        return Box(round(row), round(column), round(end) - round(row), round(last) - round(column))


@dataclass(frozen=True)
class OverpassWindow:
    """What is to be read of an overpass.

    Attributes:
        window: the area and its surroundings, on the finest grid.
        whole: all that its tiles hold, and the area, on the same grid.
        tiles: numbers of the tiles that lie on that grid.
    """

    window: PixelGrid
    whole: PixelGrid
    tiles: tuple[int, ...]


def overpass_window(addresses: Sequence[str], area: Area) -> OverpassWindow:
    """Find what is to be read, from the finest band of each tile of an overpass, the best tile first.

    Raises:
        InputError: the area lies outside of them, or a file is nowhere on the Earth.
        FileError: a file cannot be read.
    """
    grids = []
    with rasterio.Env(**_FAR_AWAY):
        for address in addresses:
            with open_raster(address) as file:
                check_georeference(file)
                grids.append(_grid(file))
    first = grids[0]
    fitting = tuple(number for number, grid in enumerate(grids) if _is_aligned(grid, first))
    whole = first.crop(reduce(Box.joined, (first.place_of(grids[number]) for number in fitting)))
    window, _ = area.crop(whole)  # which refuses an area outside
    found = area.box(whole)
    # A date that lacks a part of the area has the grid of the others all the same, with no data there. What is read
    # begins at whole cells of the best tile, where its crop would.
    row, column = (start // ALIGNMENT * ALIGNMENT for start in (min(found.row, 0), min(found.column, 0)))
    height, width = max(found.bottom, whole.height) - row, max(found.right, whole.width) - column
    whole = whole.crop(Box(row, column, height, width))
    window, _ = area.crop(whole)
    return OverpassWindow(whole.crop(window), whole, fitting)


def write_window(addresses: Sequence[str], place: OverpassWindow, path: Path) -> None:
    """Write the window of a band; where the first of its files has no data, what the next ones have.

    Args:
        addresses: of the band in each of the overpass's tiles, the best first.
        place: which part of it.
        path: the GeoTIFF, which appears when it is complete.

    Raises:
        FileError: a file cannot be read, or the window not be written.
        OutputExistsError: another run is writing it.
    """
    with ExitStack() as stack:
        stack.enter_context(rasterio.Env(**_FAR_AWAY))
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
    """Cut a window into strips of whole rows of blocks, so that none is read twice."""
    step = max(1, _ROWS // block) * block
    ends = [window.row, *range((window.row // step + 1) * step, window.bottom, step), window.bottom]
    for top, bottom in pairwise(ends):
        yield Box(top, window.column, bottom - top, window.width)


def _mosaic(files: Sequence[DatasetReader], grid: PixelGrid, strip: Box) -> NDArray[np.generic]:
    """Read a strip (h, w) of the grid of the first file, whose holes the next ones fill."""
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
