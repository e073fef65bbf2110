"""What single points show of a cleared scene: NDVI, the error to expect of it, and where the pixel came from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.warp import transform as transform_points

from unclouded.errors import InputError
from unclouded.files import quality_path
from unclouded.reading.files.points import read_points
from unclouded.reading.files.raster import open_raster
from unclouded.reading.find_source import find_source
from unclouded.reading.reader import ReadOptions
from unclouded.reading.source import Wanted
from unclouded.reflectance import to_reflectance
from unclouded.sources import GUESSED

INFRARED = ("B08", "B8A")
"""Near-infrared bands for NDVI; the first one present is used."""


@dataclass(frozen=True)
class Points:
    """Values of one date at n points.

    Attributes:
        ndvi: (n,) NDVI of the result, NaN where there is no data.
        error: (n,) its expected error, by the uncertainty; 0 where nothing was replaced.
        source: (n,) 0 observed, 1 guessed, 2 the first reference, and so on; NaN where there is no data.
    """

    ndvi: NDArray[np.float32]
    error: NDArray[np.float32]
    source: NDArray[np.float32]


def read_points_of(
    output: Path, crs: CRS, x: NDArray[np.float64], y: NDArray[np.float64], reading: ReadOptions
) -> Points:
    """Read a cleared scene and its quality at single points.

    Args:
        output: the cleared file; its quality file lies beside it.
        crs: of the points.
        x: (n,) coordinates in it.
        y: (n,) likewise.
        reading: options for the file.

    Returns:
        Values at the points, NaN outside the scene and without data.

    Raises:
        InputError: the file has no red or near infrared.
        FileError: it is damaged.
    """
    layers = {layer.band: layer.index for layer in find_source(str(output), Wanted(offset_given=True)).layers}
    infrared = next((band for band in INFRARED if band in layers), None)
    if infrared is None or "B04" not in layers:
        raise InputError(f"{output}: has no B04 and B08 or B8A, of which NDVI is made")
    bands = ("B04", infrared)
    with reading.open(str(output)) as scene:
        encoding = scene.info.encoding.of_bands(scene.info.bands.index(band) for band in bands)
    with open_raster(str(output)) as file, open_raster(str(quality_path(output))) as quality:
        if file.crs != crs:
            x, y = (np.asarray(axis) for axis in transform_points(crs, file.crs, x, y))
        columns, rows = ~file.transform @ (x, y)
        columns, rows = np.floor(columns), np.floor(rows)
        inside = (columns >= 0) & (rows >= 0) & (columns < file.width) & (rows < file.height)
        at = rows[inside].astype(np.int64), columns[inside].astype(np.int64)
        dn = read_points(file, [layers[band] for band in bands], *at)
        held = read_points(quality, list(quality.indexes), *at).astype(np.float32)
    reflectance, valid = to_reflectance(dn[:, None], encoding)
    red, near_infrared = reflectance[:, 0]
    # Quality files of two bands, without a source: what is not observed was guessed.
    source = held[2] if len(held) > 2 else np.where(held[0] > 0, np.float32(GUESSED), held[0])
    valid = valid[0] & (red + near_infrared > 0) & np.isfinite(source)
    ndvi, error = ndvi_and_error(red[valid], near_infrared[valid], held[1][valid])
    points = Points(*(np.full(len(x), np.nan, np.float32) for _ in range(3)))
    places = np.flatnonzero(inside)[valid]
    points.ndvi[places], points.error[places], points.source[places] = ndvi, error, source[valid]
    return points


def ndvi_and_error(
    red: NDArray[np.float32], infrared: NDArray[np.float32], uncertainty: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """NDVI and its expected error by propagation, for independent errors of both bands of the size of the uncertainty.

    Args:
        red: (n,) reflectance, above 0 together with the infrared.
        infrared: (n,) reflectance.
        uncertainty: (n,) in reflectance.

    Returns:
        The index (n,), -1 to 1, and its error (n,), 0 to 1.
    """
    total = red + infrared
    ndvi = np.clip((infrared - red) / total, -1, 1)
    error = 2 * np.hypot(red, infrared) / total**2 * np.nan_to_num(uncertainty)
    return ndvi, np.clip(error, 0, 1)
