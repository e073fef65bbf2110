"""What a user hands in, an array, a Dataset or one of NumPy, as one array of bands and what lies beside them."""

from __future__ import annotations

import re
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import xarray as xr

from unclouded.bands import NAMES
from unclouded.errors import InputError
from unclouded.reading.array_classification import classification_among
from unclouded.reading.names.dimensions import dimension
from unclouded.reading.names.missions import refuse_others
from unclouded.reading.names.naming import COMMON_NAMES, band_named, bands_named, unnamed
from unclouded.reading.products.band_stack import stack_bands
from unclouded.reading.results import refuse_cleared

DATA_MASK = "datamask"
"""Sentinel Hub's mask of pixels with data, in lower case."""

_NO_DATA = ("_FillValue", "missing_value", "nodata")
"""Attributes that say which value is no data."""

_BAND_ALONE = re.compile(r"b(?:and)?[ _-]?0?(?:1[0-2]|8a|[1-9])")


def as_array(
    source: Any,  # noqa: ANN401 (whatever a user hands in)
    name: str | None = None,
) -> tuple[xr.DataArray, list[str], xr.DataArray | None]:
    """Bring what a user hands in to one DataArray, say what was left out, and give the scene classification (SCL).

    Raises:
        InputError: it is nothing that holds an image.
    """
    if isinstance(source, xr.DataArray):
        refuse_cleared(name or str(source.name or "array"), (), source.attrs)
        return source, [], None
    if isinstance(source, xr.Dataset):
        return _of_dataset(source, name or "dataset")
    if isinstance(source, np.ndarray):
        if source.ndim == 3 and source.shape[2] <= len(NAMES) < min(source.shape[:2]):
            raise InputError(
                f"array: has the shape {source.shape}, bands last; (band, y, x) is accepted: "
                "give .transpose(2, 0, 1) of it"
            )
        if source.ndim != 3:
            raise InputError(f"array: has the shape {source.shape}; three dimensions (band, y, x) are accepted")
        return xr.DataArray(source, dims=("band", "y", "x")), [], None
    what = f"a {type(source).__name__}"
    if isinstance(source, list | tuple):
        what += f" of {len(source)}; call clear for each, or put the bands of one scene into a folder"
    raise InputError(f"source: is {what}; a path, an xarray.DataArray or Dataset, or a numpy array are accepted")


def nodata_of(array: xr.DataArray) -> float | None:
    """The no-data value by the attributes of an array, decoded or not; None where they tell none."""
    fills = [found[key] for found in (array.attrs, array.encoding) for key in _NO_DATA if found.get(key) is not None]
    return float(np.asarray(fills[0]).ravel()[0]) if fills else None


def _of_dataset(source: xr.Dataset, name: str) -> tuple[xr.DataArray, list[str], xr.DataArray | None]:
    """Take the variables that are named after bands, else the one variable with a dimension of bands."""
    refuse_cleared(name, source.data_vars, {})
    found = _variables_of_bands(source)
    if found:
        refuse_others(name, map(str, source.data_vars))
        shapes = {source[variable].dims for variable in found}
        if len(shapes) > 1 or len(set(found.values())) < len(found):
            raise InputError(
                f"{name}: its variables {', '.join(map(str, found))} are not of one grid, or name a band twice; "
                "give the bands of one grid, each once"
            )
        along = dimension(source[next(iter(found))].dims, "band")
        if along is not None:  # as rioxarray opens files of one band
            if source.sizes[along] > 1:
                raise InputError(
                    f"{name}: {', '.join(map(str, found))} are named after bands, and each has {source.sizes[along]} "
                    f"along {along!r}; variables (y, x) are accepted, or one variable (band, y, x)"
                )
            source = source.squeeze(along, drop=True)
        masks = [variable for variable in source.data_vars if str(variable).lower() == DATA_MASK]
        first = source[next(iter(found))]
        classes, others = _beside(source, [*found, *masks], set(first.dims))
        shared = _shared([source[variable] for variable in found], name)
        stacked = stack_bands(source, [*found, *masks], [*found.values(), *map(str, masks)], name)
        stacked.attrs, stacked.encoding = shared, dict(first.encoding)
        stacked.set_close(source.close)
        return stacked, _left_out(others), classes
    cubes = [array for array in source.data_vars.values() if dimension(array.dims, "band") is not None]
    if len(cubes) != 1:
        held = ", ".join(map(str, source.data_vars)) or "none"
        raise InputError(
            f"{name}: no variable is named after a band, nor has exactly one a dimension 'band' (variables: {held}); "
            "name them B02, B03, …"
        )
    cube = cubes[0]
    classes, others = _beside(source, [cube.name], set(cube.dims) - {dimension(cube.dims, "band")})
    cube.set_close(source.close)
    return cube, _left_out(others), classes


def _beside(
    source: xr.Dataset, taken: Sequence[Hashable], dims: set[Hashable]
) -> tuple[xr.DataArray | None, list[Hashable]]:
    """Of the variables that are not taken the scene classification on the grid of the bands, and the others."""
    others = [variable for variable in source.data_vars if variable not in taken and source[variable].ndim > 1]
    among = classification_among(others)
    if among is None or set(source[others[among]].dims) != dims:
        return None, others
    classes = source[others.pop(among)]
    return classes, others


def _left_out(variables: Sequence[Hashable]) -> list[str]:
    return [f"left out: {', '.join(map(str, variables))}, not named after a band"] if variables else []


def _variables_of_bands(source: xr.Dataset) -> dict[Hashable, str]:
    """The variables that are named after bands; of several that name one, such as SNAP's B2 and B2_flags, its own."""
    found = {variable: band for variable in source.data_vars if (band := band_named(str(variable))) is not None}
    if len(found) > 1 and unnamed([str(variable) for variable in found]):
        # As GDAL calls them, which keeps their names beside: Band1 is no B01.
        names = {variable: str(source[variable].attrs.get("long_name", "")) for variable in found}
        return names if all(bands_named(list(names.values()))) else {variable: str(variable) for variable in found}
    own = {band for variable, band in found.items() if _is_band(variable)}
    return {variable: band for variable, band in found.items() if _is_band(variable) or band not in own}


def _is_band(variable: Hashable) -> bool:
    """Whether a variable is called as a band is, and nothing else."""
    text = str(variable).strip().lower()
    return text in COMMON_NAMES or bool(_BAND_ALONE.fullmatch(text))


def _shared(bands: Sequence[xr.DataArray], name: str) -> dict[str, Any]:
    """Attributes that all bands share, which are those of the whole; a no-data value may be that of some of them.

    Raises:
        InputError: if what tells their numbers differs, which no attribute of the whole can say.
    """
    counted = [band.dtype.kind in "iu" for band in bands]
    if len(set(counted)) > 1:
        one, other = bands[counted.index(True)], bands[counted.index(False)]
        raise InputError(
            f"{name}: {one.name} is {one.dtype}, {other.name} is {other.dtype}; DN in all bands or reflectance in all "
            "are accepted; convert them first"
        )
    shared = {k: v for k, v in bands[0].attrs.items() if all(_same(band.attrs.get(k), v) for band in bands)}
    for key in ("scale_factor", "add_offset", *_NO_DATA):
        values = [(band.attrs.get(key), band.name) for band in bands]
        if key in _NO_DATA:
            values = [(value, band) for value, band in values if value is not None]
        if not values:
            continue
        (value, band), *others = values
        if unlike := [(other, of) for other, of in others if str(other) != str(value)]:
            raise InputError(
                f"{name}: {key} is {value} of {band} and {unlike[0][0]} of {unlike[0][1]}; one for all bands is "
                "accepted; apply it with xarray.decode_cf, as xarray.open_dataset does, or convert them first"
            )
        if value is not None:
            shared[key] = value
    return shared


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401 (attributes hold anything)
    return bool(np.array_equal(np.asarray(one), np.asarray(other)))
