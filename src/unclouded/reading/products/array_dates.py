"""Dates of arrays: along which dimension they lie, which they are, and how they are written."""

from __future__ import annotations

from collections.abc import Hashable
from datetime import datetime
from typing import Any

import numpy as np
import xarray as xr

from unclouded.errors import InputError
from unclouded.reading.names.dates import parse_time

_FIRST_DAY, _LAST_DAY = 20150623, 20991231
"""Days as whole numbers, from the launch of Sentinel-2 on."""

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
    known = [time for time in times_of(array, dim) if time is not None]
    if len(known) < array.sizes[dim]:
        return [str(number) for number in range(array.sizes[dim])]
    return [time.replace(tzinfo=None).isoformat().removesuffix("T00:00:00") for time in known]


def times_of(array: xr.DataArray | xr.Dataset, dim: Hashable) -> list[datetime | None]:
    """When each date of an array was taken; None where nothing says it."""
    if dim not in array.coords:
        return [None] * array.sizes[dim]
    return [_time(value) for value in array[dim].values]


def time_stamp(time: datetime | None) -> np.datetime64:
    """A time, in UTC where it says none, as coordinates hold it; NaT where it is not known."""
    return np.datetime64("NaT", "ns") if time is None else np.datetime64(time.replace(tzinfo=None), "ns")


def acquired(array: xr.DataArray) -> datetime | None:
    """When an array was taken, by its coordinate, or its attribute `datetime`."""
    coordinates = (array.coords[name] for name in _DATES if name in array.coords)
    times = (_time(coordinate.values.ravel()[0]) for coordinate in coordinates if coordinate.size == 1)
    return next((time for time in times if time is not None), parse_time(str(array.attrs.get("datetime", ""))))


def _time(value: Any) -> datetime | None:  # noqa: ANN401 (whatever coordinates hold)
    """A time in UTC to the second, of a number of NumPy, a text or a day as 20240531; None of NaT and counts."""
    if isinstance(value, np.datetime64):
        value = value.astype("datetime64[s]").item()
    if isinstance(value, int | np.integer) and _FIRST_DAY <= value <= _LAST_DAY:
        value = str(value)
    if value is None or isinstance(value, int | float | np.number):
        return None
    time = parse_time(value.isoformat() if isinstance(value, datetime) else str(value))
    return time and time.replace(microsecond=0)
