"""Cleared dates as one Zarr store with an axis of time, as `xarray.open_zarr` reads it; written window by window."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np
import rasterio
import xarray as xr
import zarr

from unclouded.errors import FileError, OutputExistsError
from unclouded.files import QUALITY_BANDS, aside, publish_folder, quality_path
from unclouded.progress import Progress
from unclouded.reading.files.raster import FAULTS, read_window, window_of
from unclouded.reading.grids.array_grid import grid_mapping, pixel_centres
from unclouded.reading.info import SceneInfo
from unclouded.reading.products.array_dates import time_stamp
from unclouded.reflectance import scaled
from unclouded.sources import FIRST_REFERENCE, named_references
from unclouded.tiles import cut
from unclouded.writing.stac_item import item_path
from unclouded.writing.writer import BLOCK

_FORMAT: Literal[2] = 2
"""Of Zarr: that which older versions and other programs read too."""

_MADE_OF = "unclouded_made_of"
"""Attribute of a store that says of which files it was made."""


@dataclass(frozen=True)
class ClearedDate:
    """A date that is cleared.

    Attributes:
        info: of the scene that was cleared.
        time: when it was taken, in UTC.
        output: its cleared COG; the quality and the STAC item lie beside it.
    """

    info: SceneInfo
    time: datetime
    output: Path


def refuse_other_store(path: Path) -> None:
    """Check that what is at `path`, if anything, is a store that a series was written to.

    Raises:
        OutputExistsError: it is something else.
    """
    if path.exists() and _made_of(path) is None:
        raise OutputExistsError(f"{path}: is already there and of no series; move it away, or give --overwrite")


def is_made_of(path: Path, dates: Sequence[ClearedDate]) -> bool:
    """Tell whether the store at `path` holds these dates as their files are now."""
    return path.exists() and _made_of(path) == _marks(dates)


def write_time_cube(
    path: Path, dates: Sequence[ClearedDate], times: Mapping[str, datetime | None], report: Progress
) -> None:
    """Write a Zarr store of dates that are alike; it appears under its name only when complete.

    It holds `reflectance` (time, band, y, x), `opacity`, `uncertainty` and `source` (time, y, x), float32, NaN where
    there is no data; `reference_time` (time, reference), the date that a number of 2 and more in `source` means; and
    the reference system as rioxarray looks for it.

    Args:
        path: of the store; what is there is replaced.
        dates: in any order.
        times: of other dates by their names, as `source` may mean them.
        report: of the pixels written.

    Raises:
        FileError: if a file cannot be read, or the disk does not take the store.
        OutputExistsError: if another run is writing it.
    """
    ordered = sorted(dates, key=lambda date: (date.time, date.output))
    with aside(path) as folder:
        made = folder / path.name
        try:
            _begin(made, ordered, times)
            group: Any = zarr.open_group(made, mode="r+", zarr_format=_FORMAT)
            for number, date in enumerate(ordered):
                _write_date(group, number, date)
                report("writing the cube", number + 1, len(ordered))
            zarr.consolidate_metadata(made, zarr_format=_FORMAT)
            publish_folder(made, path)
        except FAULTS as error:
            raise FileError(f"{path}: cannot be made: {error}; clear the series again") from error
        except OSError as error:
            if isinstance(error, FileError):
                raise
            raise FileError(f"{path}: cannot be written ({error.strerror or error}); check the disk") from error


def _begin(path: Path, dates: Sequence[ClearedDate], times: Mapping[str, datetime | None]) -> None:
    """Write all of a store but the pixels, for which there is room then."""
    info = dates[0].info
    helped = [_helping(date, times) for date in dates]
    most = max(1, *(len(others) for others in helped))
    padded = np.full((len(dates), most), np.datetime64("NaT", "ns"))
    for row, others in zip(padded, helped, strict=True):
        row[: len(others)] = others
    coordinates: dict[str, Any] = {
        "time": np.array([time_stamp(date.time) for date in dates]),
        "band": list(info.bands),
        **pixel_centres(info),
        "reference": FIRST_REFERENCE + np.arange(most),
    }
    xr.Dataset(
        {"reference_time": (("time", "reference"), padded)},
        coords={**coordinates, "spatial_ref": grid_mapping(info)},
        attrs={"level": info.level, _MADE_OF: json.dumps(_marks(dates))},
    ).to_zarr(path, mode="w", consolidated=False, zarr_format=_FORMAT)
    group: Any = zarr.open_group(path, mode="r+", zarr_format=_FORMAT)
    side = (BLOCK, BLOCK)
    layers = {"reflectance": (len(info.bands),)} | {name: () for name in QUALITY_BANDS}
    for name, bands in layers.items():
        dims = ["time", *(["band"] if bands else []), "y", "x"]
        group.create_array(
            name,
            shape=(len(dates), *bands, info.height, info.width),
            chunks=(1, *bands, *(min(a, b) for a, b in zip(side, (info.height, info.width), strict=True))),
            dtype="float32",
            fill_value=np.nan,
            attributes={"_ARRAY_DIMENSIONS": dims, "grid_mapping": "spatial_ref", "units": "1"},
        )


def _write_date(group: Any, number: int, date: ClearedDate) -> None:  # noqa: ANN401 (of zarr)
    info = date.info
    with rasterio.open(date.output) as cleared, rasterio.open(quality_path(date.output)) as quality:
        for tile in cut(info.height, info.width, size=BLOCK):
            box = tile.inner
            window = window_of(box)
            layers = read_window(quality, quality.indexes, window)
            values = scaled(read_window(cleared, cleared.indexes, window), info.encoding)
            here = (number, ..., *box.slices)
            group["reflectance"][here] = np.where(np.isnan(layers[0]), np.float32(np.nan), values)
            for name, layer in zip(QUALITY_BANDS, layers, strict=True):
                group[name][here] = layer


def _helping(date: ClearedDate, times: Mapping[str, datetime | None]) -> list[np.datetime64]:
    """When the dates that helped to clear one were taken, in the order of their numbers."""
    with rasterio.open(quality_path(date.output)) as file:
        return [time_stamp(times.get(name)) for name in named_references(file.tags()).values()]


def _marks(dates: Sequence[ClearedDate]) -> list[list[str]]:
    """What tells the files of dates from others, by the checksums in their items."""
    marks = []
    for date in dates:
        try:
            assets = json.loads(item_path(date.output).read_text())["assets"].values()
            marks.append([date.output.name, *(str(asset["file:checksum"]) for asset in assets)])
        except (OSError, ValueError, KeyError):
            marks.append([date.output.name, ""])
    return sorted(marks)


def _made_of(path: Path) -> list[list[str]] | None:
    """Of which files the store at `path` was made; None if it does not say."""
    try:
        said: Any = zarr.open_group(path, mode="r").attrs.get(_MADE_OF)
        return None if said is None else json.loads(said)
    except (OSError, ValueError, KeyError):
        return None
