"""The NDVI of a series over time, as a table with observed and filled pixels separately."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unclouded.composites.dates import DateWindow, OpenDate, open_dates
from unclouded.errors import InputError
from unclouded.files import write_bytes
from unclouded.progress import Progress, silent
from unclouded.reading.reader import ReadOptions
from unclouded.reading.series_points import INFRARED, ndvi_and_error
from unclouded.tiles import Box

COLUMNS = (
    "date",
    "file",
    "pixels",
    "observed_share",
    "observed_ndvi",
    "observed_spread",
    "filled_share",
    "filled_ndvi",
    "filled_spread",
    "filled_error",
)
"""Columns of the table: shares of the pixels with data, mean NDVI, its standard deviation (spread), and the mean
expected error of filled pixels."""

_ROWS = 512


def ndvi_of(window: DateWindow, bands: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """NDVI (h, w) and its expected error (h, w); NaN where there is no data.

    Raises:
        InputError: the bands have no red or near infrared.
    """
    infrared = next((band for band in INFRARED if band in bands), None)
    if infrared is None or "B04" not in bands:
        raise InputError(f"{', '.join(bands)}: NDVI is made of B04 and B08 or B8A; clear them too")
    red, near_infrared = window.reflectance[bands.index("B04")], window.reflectance[bands.index(infrared)]
    ndvi, error = (np.full(red.shape, np.nan, np.float32) for _ in range(2))
    known = red + near_infrared > 0
    ndvi[known], error[known] = ndvi_and_error(red[known], near_infrared[known], window.uncertainty[known])
    return ndvi, error


def write_ndvi(path: Path, outputs: Sequence[Path], reading: ReadOptions, progress: Progress = silent) -> None:
    """Write the table of a series as CSV, a line per date, in order of time.

    Args:
        path: of the table.
        outputs: cleared files, with their quality beside them.
        reading: options for what the items do not state.
        progress: by dates, see `Progress`.

    Raises:
        InputError: the dates lack the bands of NDVI, or are not on one grid.
        FileError: a file is damaged, or the table cannot be written.
    """
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    with open_dates(outputs, reading) as dates:
        for number, date in enumerate(dates, start=1):
            table.writerow(_line(date))
            progress("reading dates", number, len(dates))
    write_bytes(text.getvalue().encode(), path)


def _line(date: OpenDate) -> list[str]:
    info = date.info
    observed, filled = _Sums(), _Sums()
    for row in range(0, info.height, _ROWS):
        window = date.read(Box(row, 0, min(_ROWS, info.height - row), info.width))
        ndvi, error = ndvi_of(window, info.bands)
        observed.add(ndvi[window.observed], error[window.observed])
        hidden = ~window.observed & np.isfinite(window.uncertainty)
        filled.add(ndvi[hidden], error[hidden])
    count = observed.count + filled.count
    day = "" if date.time is None else f"{date.time:%Y-%m-%dT%H:%M:%SZ}"
    shares = [f"{sums.count / count:.4f}" if count else "" for sums in (observed, filled)]
    return [day, date.path.name, str(count), shares[0], *observed.written[:2], shares[1], *filled.written]


class _Sums:
    """Count, mean and standard deviation of NDVI, and the mean of its error, accumulated over windows."""

    def __init__(self) -> None:
        self.count = 0
        self._sums = np.zeros(3)

    def add(self, ndvi: NDArray[np.float32], error: NDArray[np.float32]) -> None:
        known = np.isfinite(ndvi)
        values = ndvi[known].astype(np.float64)
        self.count += values.size
        self._sums += values.sum(), (values**2).sum(), error[known].astype(np.float64).sum()

    @property
    def written(self) -> list[str]:
        """Mean, standard deviation and mean error as text; empty without pixels."""
        if not self.count:
            return ["", "", ""]
        mean, square, error = self._sums / self.count
        return [f"{mean:.4f}", f"{np.sqrt(max(square - mean**2, 0)):.4f}", f"{error:.4f}"]
