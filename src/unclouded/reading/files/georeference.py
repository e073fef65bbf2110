"""Whether a raster file has a usable place on the ground."""

from __future__ import annotations

import math

from rasterio.io import DatasetReader

from unclouded.errors import InputError
from unclouded.reading.files.raster import shown

_ROUND, _POLE = 361.0, 91.0
"""Degrees of longitude, which some count to 360, and of latitude that no pixel lies beyond."""

_TINY = 0.01
"""Size that no pixel has in metres or feet, and that of 10 m in degrees is far below."""


def check_georeference(dataset: DatasetReader) -> None:
    """Raise InputError unless the dataset has a CRS and a north-up grid."""
    name, t = shown(dataset.name), dataset.transform
    if t.is_identity and dataset.gcps[0]:
        raise InputError(
            f"{name}: says its place by {len(dataset.gcps[0])} ground control points; a north-up grid is accepted; "
            "bring it to one first, for example with gdalwarp -tps -t_srs EPSG:32632"
        )
    if dataset.crs is None or t.is_identity:
        missing = "coordinate reference system" if dataset.crs is None else "position on the ground"
        raise InputError(
            f"{name}: has no {missing}; georeference it first, for example with gdal_edit.py -a_srs and -a_ullr"
        )
    if not all(map(math.isfinite, t)):
        raise InputError(
            f"{name}: its position on the ground is not finite ({tuple(t)[:6]}); "
            "georeference it again, for example with gdal_edit.py -a_ullr"
        )
    west, south, east, north = dataset.bounds
    if dataset.crs.is_geographic and (max(-west, east) > _ROUND or max(-south, north) > _POLE):
        raise InputError(
            f"{name}: lies at {west:g}, {north:g}, which are no degrees, and its coordinate reference system "
            f"({dataset.crs.to_string()[:40]}) has them; correct it with gdal_edit.py -a_srs"
        )
    if dataset.crs.is_projected and 0 < abs(t.a) < _TINY:
        raise InputError(
            f"{name}: its pixels have a size of {t.a:g} in its coordinate reference system "
            f"({dataset.crs.to_string()[:40]}), as if its position were in degrees; correct it with gdal_edit.py -a_srs"
        )
    if t.b or t.d or t.a <= 0 or t.e >= 0:
        raise InputError(
            f"{name}: its grid is rotated or flipped; a north-up grid is accepted; run gdalwarp on it first"
        )
