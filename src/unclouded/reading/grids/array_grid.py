"""Where the pixels of an array lie, and how it is said in one that is made."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from affine import Affine
from rasterio.crs import CRS
from rasterio.errors import CRSError

from unclouded.errors import InputError
from unclouded.reading.info import SceneInfo

_UNEVEN = 0.1
"""How far, in steps, a step between coordinates may be from their mean."""

_EPSG = ("proj:epsg", "epsg")
"""Attributes or coordinates with the number of the reference system, as of ESA's EOPF products and of cubo."""


def pixel_centres(info: SceneInfo) -> Mapping[str, Any]:
    """The coordinates `y` (H,) and `x` (W,) of the middles of a scene's pixels, in its reference system."""
    t = info.transform
    return {"y": t.f + (np.arange(info.height) + 0.5) * t.e, "x": t.c + (np.arange(info.width) + 0.5) * t.a}


def grid_mapping(info: SceneInfo) -> xr.Variable:
    """The grid mapping of the CF conventions, with the transform where GDAL and rioxarray look for it."""
    place = " ".join(repr(value) for value in info.transform.to_gdal())
    return xr.Variable((), 0, {"crs_wkt": info.crs.to_wkt(), "GeoTransform": place})


def georeference(array: xr.DataArray) -> tuple[CRS | None, Affine, list[str]]:
    """Coordinate reference system and transform of an array (band, y, x), and what to say of them.

    They are found as by rioxarray: of the coordinates, or of what GDAL left. Coordinates are those of the middles of
    pixels; where a `transform` among the attributes tells that they are those of corners, as stackstac writes them,
    that is heeded.

    Raises:
        InputError: the coordinates are uneven, or the reference system cannot be read.
    """
    import rioxarray  # noqa: F401 (gives arrays their `rio`; here, for files do without it and start the sooner)
    from pyproj.exceptions import CRSError as ProjectionError

    for dim in array.dims[1:]:
        _check_even(array, dim)
    own = _own_transform(array)
    if own is None:  # rioxarray would stumble over it
        array = array.assign_attrs({})
        array.attrs.pop("transform", None)
    placed = array.rio.set_spatial_dims(x_dim=array.dims[2], y_dim=array.dims[1])
    try:
        crs, transform = placed.rio.crs, placed.rio.transform(recalc=True)
        if crs is None and set(array.dims[1:]) <= set(array.coords) and (code := _epsg(array)) is not None:
            crs = CRS.from_epsg(code)
    except (CRSError, ProjectionError) as error:
        message = " ".join(str(error).split())
        raise InputError(
            f"{array.name or 'array'}: its crs_wkt cannot be read ({message}); correct or drop it"
        ) from error
    if crs is None and str(array.dims[1]).lower() in ("lat", "latitude"):
        crs = CRS.from_epsg(4326)
    shifts = (0.0, 0.0) if own is None else _to_corners(own, transform)
    if not any(shifts):
        return crs, transform, []
    note = "its coordinates are taken for corners of pixels, as its attribute transform says"
    return crs, transform @ Affine.translation(*shifts), [note]


def _epsg(array: xr.DataArray) -> int | None:
    """The number of the reference system that an attribute or coordinate holds; None if none does."""
    alone = {name: kept.values.item() for name, kept in array.coords.items() if kept.size == 1}
    codes = (held.get(name) for name in _EPSG for held in (array.attrs, alone))
    return next((int(code) for code in codes if isinstance(code, int | np.integer)), None)


def _own_transform(array: xr.DataArray) -> Affine | None:
    """The transform among an array's attributes; None where there is nothing that can be one."""
    declared = array.attrs.get("transform")
    values = (
        list(declared) if isinstance(declared, Affine | Sequence | np.ndarray) and not isinstance(declared, str) else []
    )
    return Affine(*(float(value) for value in values[:6])) if len(values) >= 6 else None


def _to_corners(own: Affine, transform: Affine) -> tuple[float, float]:
    """Columns and rows by which a transform is off that takes coordinates of corners for middles, 0 or a half each."""
    if not np.allclose((own.a, own.e), (transform.a, transform.e), rtol=1e-3) or own.b or own.d:
        return 0.0, 0.0  # of another grid, such as that of before it was made coarser
    column, row = ~own @ (transform.c, transform.f)
    # The array may be a part of that grid: whole pixels do not count. Left corners lie west of the middles, upper ones
    # north; where all of the grid is there, its own corner tells lower ones.
    lower = abs(row - 0.5) < 0.1
    return _half(column), -_half(row) if lower else _half(row)


def _half(place: float) -> float:
    return 0.5 if abs(place % 1 - 0.5) < 0.1 else 0.0


def _check_even(array: xr.DataArray, dim: Hashable) -> None:
    """Refuse coordinates that no transform describes, such as those of a grid from which rows are missing."""
    if dim not in array.coords or array.sizes[dim] < 3:
        return
    at = array[dim].values
    steps = np.diff(at.astype(np.float64))
    rounding = 4 * np.finfo(at.dtype).eps * float(np.abs(at).max()) if at.dtype.kind == "f" else 0.0
    if float(np.abs(steps - steps.mean()).max()) > _UNEVEN * abs(float(steps.mean())) + rounding:
        raise InputError(
            f"{array.name or 'array'}: its {dim} are not evenly spaced ({steps.min():.6g} to {steps.max():.6g}); "
            "an even grid is accepted; bring it to one, for example with .interp() or .rio.reproject()"
        )
