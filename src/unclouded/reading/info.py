"""The description of an open scene."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from affine import Affine
from rasterio.crs import CRS

from unclouded.reflectance import Encoding


@dataclass(frozen=True)
class SceneInfo:
    """What a scene is and how its DN are to be understood.

    Attributes:
        source: how errors call it.
        stem: for naming outputs.
        width: columns of the grid.
        height: rows of the grid.
        crs: coordinate reference system of the grid.
        transform: from column and row to coordinates.
        bands: names of `bands.NAMES`, in the order in which `Scene.read` hands them out.
        level: "L1C" or "L2A".
        encoding: scale, offsets (one per band) and no-data.
        dtype: type of the DN.
        descriptions: band descriptions for the output.
        scales: GDAL scale of each band for the output.
        gdal_offsets: GDAL offset of each band for the output, in units of reflectance where the scale is too.
        tags: metadata of the source's file.
        notes: what was assumed or left out, one sentence each, to be said to the user.
        acquired: when the image was taken, where it says so beside its name and tags; see `reading.dates`.
    """

    source: str
    stem: str
    width: int
    height: int
    crs: CRS
    transform: Affine
    bands: tuple[str, ...]
    level: str
    encoding: Encoding
    dtype: np.dtype[np.generic]
    descriptions: tuple[str | None, ...]
    scales: tuple[float, ...]
    gdal_offsets: tuple[float, ...]
    tags: dict[str, str]
    notes: tuple[str, ...]
    acquired: datetime | None = None
