"""A place and a period from a catalogue, cleared in memory."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import xarray as xr

from unclouded.catalog.cache import Extract
from unclouded.catalog.dates import Report, find_dates, store_dates
from unclouded.catalog.overpasses import Overpass, less_cloudy
from unclouded.catalog.retry import RetryPolicy
from unclouded.catalog.search import Request
from unclouded.clearing.memory.series_arrays import clear_series_to_memory, series_of_files
from unclouded.clearing.model import Model
from unclouded.clearing.options import ClearOptions, ReferenceLimits
from unclouded.detection.csmask import bands_to_read
from unclouded.errors import InputError, UncloudedError
from unclouded.progress import Progress, silent
from unclouded.reading.reader import ReadOptions


def clear_area_to_memory(
    request: Request,
    max_cloud: float,
    folder: Path,
    reading: ReadOptions,
    model: Model,
    options: ClearOptions,
    limits: ReferenceLimits,
) -> xr.Dataset:
    """Find, read and clear all dates of an area.

    Args:
        request: what is asked of the catalogue.
        max_cloud: percent up to which its dates are taken.
        folder: where what is read is kept.
        reading: options with which the images are read; their area is that of the request.
        model: with which weights.
        options: see `ClearOptions`; what belongs to one scene is not used.
        limits: of the choice of references.

    Returns:
        As `clear_series_to_memory`, with the coordinate `item` (time), the identifier of each date in the catalogue.

    Raises:
        InputError: nothing is found, or fewer than two dates; or as of `clear_series_to_memory`.
        FileError: a file cannot be read.
        NetworkError: the catalogue or its files cannot be reached.
    """
    catalogue = request.catalogue
    dates = less_cloudy(find_dates(request), max_cloud)
    catalogue.prepare()
    extract = Extract(
        request.area, bands_to_read(reading.bands), reading.offset is not None, catalogue.signer(), RetryPolicy()
    )
    items = store_dates(dates, extract, folder, Report(_unseen, _warn, _refuse))
    if len(items) < 2:
        raise InputError(
            f"{catalogue.address}: of {request.area.name} in {request.period} {len(items)} dates can be read; a series "
            "needs at least two: give a longer period or accept more cloud"
        )
    series = series_of_files(list(items), reading)
    made = clear_series_to_memory(series, model, options, limits)
    return made.assign_coords(item=("time", [items[name].name for name in series.names]))


@contextmanager
def _unseen(one: Overpass) -> Iterator[Progress]:
    yield silent


def _warn(note: str) -> None:
    warnings.warn(note, stacklevel=2)


def _refuse(name: str, error: UncloudedError) -> None:
    _warn(f"{error}: {name} is left out")
