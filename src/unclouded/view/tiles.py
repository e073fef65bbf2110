"""Map tiles of raster files: warped to web mercator from the overviews, stretched, encoded as PNG."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import cast

import numpy as np
import rasterio
from rasterio.io import DatasetReader
from rio_tiler.colormap import cmap
from rio_tiler.errors import RioTilerError, TileOutsideBounds
from rio_tiler.io import Reader
from rio_tiler.utils import render

from unclouded.colour import Stretch
from unclouded.errors import FileError
from unclouded.reading.files.raster import FAULTS, open_raster, shown

SIDE = 512
"""Side of a tile in pixels."""

DEEPEST = 24
"""Highest accepted zoom level."""

Colours = dict[int, tuple[int, int, int, int]]
"""Red, green, blue and alpha (0-255) of the values 0 to 255."""

_CACHE = 256 * 2**20
"""Bytes of GDAL's block cache."""

_OPAQUE_FROM = 64
"""Value (of 255) from which on colours are opaque; below, alpha decreases linearly to 0."""


@dataclass(frozen=True)
class MapLayer:
    """One layer of the map.

    Attributes:
        bands: file and 1-based index of each band, in the order of display.
        stretch: of the file's values.
        colours: colour map of a single band; three bands are red, green and blue.
    """

    bands: tuple[tuple[str, int], ...]
    stretch: Stretch
    colours: Colours | None = None


def ramp(name: str) -> Colours:
    """The matplotlib colour map `name`, transparent towards its lower end."""
    colours = cast(Colours, cmap.get(name))
    return {
        value: (int(red), int(green), int(blue), min(255, 255 * value // _OPAQUE_FROM))
        for value, (red, green, blue, _) in colours.items()
    }


def faded(colour: tuple[int, int, int]) -> Colours:
    """A colour map of one colour with the value as alpha."""
    return {value: (*colour, value) for value in range(256)}


def nodata_of(dataset: DatasetReader) -> float | None:
    """The no-data value of a file; if it states none, 0 for integers, as in Sentinel-2 products."""
    if dataset.nodata is not None:
        return float(dataset.nodata)
    return 0.0 if np.issubdtype(dataset.dtypes[0], np.integer) else None


def tile(layer: MapLayer, z: int, x: int, y: int) -> bytes:
    """Draw one tile of the web mercator grid as PNG, transparent where there is no data.

    Args:
        layer: to draw.
        z: zoom level, up to `DEEPEST`.
        x: column, from the west.
        y: row, from the north.

    Raises:
        FileError: a file is missing or damaged.
    """
    pixels, masks = [], []
    for path, bands in groupby(layer.bands, key=itemgetter(0)):
        with rasterio.Env(GDAL_CACHEMAX=_CACHE), open_raster(path) as dataset:
            try:
                read = Reader(None, dataset=dataset).tile(
                    x,
                    y,
                    z,
                    tilesize=SIDE,
                    indexes=tuple(index for _, index in bands),
                    nodata=nodata_of(dataset),
                    # Enlarged pixels are not interpolated.
                    resampling_method="nearest",
                    reproject_method="nearest",
                )
            except TileOutsideBounds:
                return EMPTY
            except (*FAULTS, RioTilerError) as error:
                raise FileError(f"{shown(path)}: cannot be read: damaged or gone; copy or download it again") from error
        pixels.append(read.array.data)
        masks.append(read.mask)
    colours = layer.stretch.colours(np.concatenate(pixels).astype(np.float32))
    eight_bit = np.rint(255 * np.atleast_3d(colours)).astype(np.uint8).transpose(2, 0, 1)
    return bytes(render(eight_bit, np.minimum.reduce(masks), colormap=layer.colours, zlevel=1))


EMPTY = bytes(render(np.zeros((1, SIDE, SIDE), np.uint8), np.zeros((SIDE, SIDE), np.uint8)))
"""A tile without data."""
