"""A finished layer of a scene on another grid: reflectance by bilinear interpolation, codes from the nearest pixel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import Resampling
from rasterio.warp import reproject
from rasterio.windows import transform as window_transform

from unclouded.reading.files.raster import window_of
from unclouded.reflectance import nothing
from unclouded.tiles import Box
from unclouded.writing.writer import BLOCK, Profile, Strip, StripWriter, environment, write_mosaic

_ROWS = 2 * BLOCK
"""Rows of the other grid that are in memory at once."""


def resample(
    path: Path, source: Profile, strips: Sequence[Strip], target: Profile, output: str, valid: Path | None = None
) -> Strip:
    """Bring a layer to another grid.

    Args:
        path: of the file to write, beside the strips.
        source: what the strips are of.
        strips: cover the scene once.
        target: what is to be written; pixels that are averaged in the overviews of `source` are interpolated, others
            are those that lie nearest.
        output: how errors call it.
        valid: a file on the other grid whose first band is NaN where there is no data; what is interpolated there, from
            neighbours that hold data, is left out.

    Returns:
        The layer as a strip, which `write_cog` takes.

    Raises:
        FileError: if the disk is full or the file does not read back as written.
    """
    resampling = Resampling.bilinear if source.overviews == "AVERAGE" else Resampling.nearest
    empty = nothing(target.dtype, target.nodata)
    mosaic, whole = path.with_suffix(".vrt"), Box(0, 0, target.height, target.width)
    with environment(output):
        write_mosaic(mosaic, source, strips)
    writer = StripWriter(path, target, whole, output)
    try:
        for row in range(0, target.height, _ROWS):
            box = Box(row, 0, min(_ROWS, target.height - row), target.width)
            pixels = np.full((len(target.descriptions), box.height, box.width), empty, target.dtype)
            with environment(output), rasterio.open(mosaic) as file:
                reproject(
                    rasterio.band(file, list(file.indexes)),
                    pixels,
                    src_nodata=empty,
                    dst_transform=window_transform(window_of(box), target.transform),
                    dst_crs=target.crs,
                    resampling=resampling,
                    init_dest_nodata=False,
                )
                if valid is not None:
                    with rasterio.open(valid) as known:
                        pixels[:, np.isnan(known.read(1, window=window_of(box)))] = empty
            writer.write(box, pixels)
        mosaic.unlink()
        return writer.finish()
    except BaseException:
        writer.close()
        raise
