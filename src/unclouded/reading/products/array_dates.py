"""Dates of arrays: along which dimension they lie, which they are, and what one of them says for all."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from datetime import datetime
from typing import TypeVar

import xarray as xr

from unclouded.errors import InputError
from unclouded.reading.names.dates import parse_time

_Date = TypeVar("_Date")
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


def level_of_others(level_of: Callable[[_Date], str], others: Iterable[_Date]) -> str | None:
    """The processing level of a date under cloud, of which nothing tells it, by the other dates of its array.

    Args:
        level_of: finds that of a date, or raises an InputError.
        others: dates, of which the first answers that can.
    """
    for other in others:
        with suppress(InputError):
            return level_of(other)
    return None


def as_of_others(level: str) -> str:
    """What is said of a level that was found so."""
    return f"level assumed: {level}, as of its other dates; give --level if it is not"


def acquired(array: xr.DataArray) -> datetime | None:
    """When an array was taken, by its coordinate or its attribute of that name."""
    for name in ("time", "datetime"):
        if name in array.coords and array.coords[name].size == 1 and array.coords[name].dtype.kind == "M":
            return parse_time(str(array.coords[name].values.astype("datetime64[s]").item().isoformat()))
    return parse_time(str(array.attrs.get("datetime", "")))
