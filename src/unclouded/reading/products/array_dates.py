"""Dates of arrays: along which dimension they lie, and which they are."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime

import xarray as xr

from unclouded.errors import InputError
from unclouded.reading.names.dates import parse_time

_DATES = ("time", "t", "date", "datetime", "timestamp")


def one_date(array: xr.DataArray, name: str) -> xr.DataArray:
    """Take the only date of an array that has a dimension for it.

    Raises:
        InputError: it has several.
    """
    while (dim := dates_along(array)) is not None:
        if array.sizes[dim] != 1:
            raise InputError(
                f"{name}: has {array.sizes[dim]} dates along {dim!r}; one is accepted: "
                f"pick it, for example with .isel({dim}=0), or clear all with clear_series or `unclouded series`"
            )
        array = array.isel({dim: 0})
    return array


def dates_along(array: xr.DataArray | xr.Dataset) -> Hashable | None:
    """The dimension of an array along which there are dates; None if there is none."""
    for dim in array.dims:
        if str(dim).lower() in _DATES or (dim in array.coords and array[dim].dtype.kind == "M"):
            return dim
    return None


def dates_of(array: xr.DataArray | xr.Dataset, dim: Hashable) -> list[str]:
    """The dates of an array in ISO 8601, of a day alone without a time; their numbers where nothing says them."""
    if dim not in array.coords or array[dim].dtype.kind != "M":
        return [str(number) for number in range(array.sizes[dim])]
    times = [str(time) for time in array[dim].values.astype("datetime64[s]")]
    return [time.removesuffix("T00:00:00") for time in times]


def acquired(array: xr.DataArray) -> datetime | None:
    """When an array was taken, by its coordinate or its attribute of that name."""
    for name in ("time", "datetime"):
        if name in array.coords and array.coords[name].size == 1 and array.coords[name].dtype.kind == "M":
            return parse_time(str(array.coords[name].values.astype("datetime64[s]").item().isoformat()))
    return parse_time(str(array.attrs.get("datetime", "")))
