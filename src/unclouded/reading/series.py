"""The results of `unclouded series`: which dates a folder holds, and what single points of each show."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.warp import transform as transform_points

from unclouded.errors import InputError, UncloudedError
from unclouded.files import quality_path
from unclouded.reading.files.points import read_points
from unclouded.reading.files.raster import open_raster
from unclouded.reading.names.dates import parse_time
from unclouded.reading.reader import ReadOptions, find_source
from unclouded.reading.scene_pair import ScenePair, find_input
from unclouded.reading.source import Wanted
from unclouded.reflectance import to_reflectance

COLLECTION = "collection.json"

INFRARED = ("B08", "B8A")
"""Bands that NDVI may be made of beside B04, the first that is there."""


@dataclass(frozen=True)
class Points:
    """What n points show of a date.

    Attributes:
        ndvi: (n,) the vegetation index of the result, NaN where there is no data.
        error: (n,) what is to be expected of it, by the uncertainty; 0 where nothing was replaced.
        source: (n,) 0 observed, 1 guessed, 2 the first reference, and so on; NaN where there is no data.
    """

    ndvi: NDArray[np.float32]
    error: NDArray[np.float32]
    source: NDArray[np.float32]


def is_series(folder: Path) -> bool:
    """Tell whether a folder holds the results of `unclouded series`."""
    return (folder / COLLECTION).is_file()


def find_series(folder: Path) -> list[ScenePair]:
    """Find the dates of a series, by time, those without one last; an input that is gone is None.

    Raises:
        InputError: the collection lists no result that is there.
    """
    collection = folder / COLLECTION
    try:
        links = json.loads(collection.read_text())["links"]
        items = [folder / str(link["href"]) for link in links if link["rel"] in ("item", "related")]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{collection}: is no STAC collection of results; run `unclouded series` again") from error
    outputs = [item.with_suffix(".tif") for item in items]
    found = [output for output in outputs if output.is_file() and quality_path(output).is_file()]
    if not found:
        raise InputError(f"{collection}: lists no result that is there; run `unclouded series` again")
    late = datetime.max.replace(tzinfo=UTC)
    found.sort(key=lambda output: (item_time(read_item(output)) or late, output.name))
    return [ScenePair(_input_of(output), output) for output in found]


def read_item(output: Path) -> Mapping[str, Any]:
    """The STAC item beside a result; empty if there is none that can be read."""
    try:
        item = json.loads(output.with_suffix(".json").read_text())
    except (OSError, ValueError):
        return {}
    return item if isinstance(item, dict) else {}


def item_time(item: Mapping[str, Any]) -> datetime | None:
    """When the scene of an item was taken; of a day alone its midnight; None where the item does not know."""
    properties = item.get("properties")
    if not isinstance(properties, dict):
        return None
    if time := properties.get("datetime"):
        return parse_time(str(time))
    start, end = (parse_time(str(properties.get(key))) for key in ("start_datetime", "end_datetime"))
    return start if start is not None and end is not None and start.date() == end.date() else None


def read_points_of(
    output: Path, crs: CRS, x: NDArray[np.float64], y: NDArray[np.float64], reading: ReadOptions
) -> Points:
    """Read what points show of a result.

    Args:
        output: the cleared file; its quality lies beside it.
        crs: of the points.
        x: (n,) coordinates.
        y: (n,) likewise.
        reading: how the file is to be read.

    Returns:
        What the points (n,) show, NaN where they lie outside or hold no data.

    Raises:
        InputError: the file has no red or near infrared.
        FileError: it is damaged.
    """
    layers = {layer.band: layer.index for layer in find_source(str(output), Wanted(offset_given=True)).layers}
    infrared = next((band for band in INFRARED if band in layers), None)
    if infrared is None or "B04" not in layers:
        raise InputError(f"{output}: has no B04 and B08 or B8A, of which NDVI is made")
    bands = ("B04", infrared)
    with reading.open(str(output)) as scene:
        encoding = scene.info.encoding.of_bands(scene.info.bands.index(band) for band in bands)
    with open_raster(str(output)) as file, open_raster(str(quality_path(output))) as quality:
        if file.crs != crs:
            x, y = (np.asarray(axis) for axis in transform_points(crs, file.crs, x, y))
        columns, rows = ~file.transform @ (x, y)
        columns, rows = np.floor(columns), np.floor(rows)
        inside = (columns >= 0) & (rows >= 0) & (columns < file.width) & (rows < file.height)
        at = rows[inside].astype(np.int64), columns[inside].astype(np.int64)
        dn = read_points(file, [layers[band] for band in bands], *at)
        held = read_points(quality, list(quality.indexes), *at).astype(np.float32)
    reflectance, valid = to_reflectance(dn[:, None], encoding)
    red, bright = reflectance[:, 0]
    # Results of before there was a source tell by their opacity.
    source = held[2] if len(held) > 2 else np.where(held[0] > 0, np.float32(1), held[0])
    valid = valid[0] & (red + bright > 0) & np.isfinite(source)
    ndvi, error = ndvi_and_error(red[valid], bright[valid], held[1][valid])
    points = Points(*(np.full(len(x), np.nan, np.float32) for _ in range(3)))
    places = np.flatnonzero(inside)[valid]
    points.ndvi[places], points.error[places], points.source[places] = ndvi, error, source[valid]
    return points


def ndvi_and_error(
    red: NDArray[np.float32], infrared: NDArray[np.float32], uncertainty: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """NDVI, and the error to expect of it: errors of both bands are as large as the uncertainty, and independent.

    Args:
        red: (n,) reflectance, above 0 together with the infrared.
        infrared: (n,) reflectance.
        uncertainty: (n,) in reflectance.

    Returns:
        The index (n,), -1 to 1, and its error (n,), 0 to 1.
    """
    total = red + infrared
    ndvi = np.clip((infrared - red) / total, -1, 1)
    error = 2 * np.hypot(red, infrared) / total**2 * np.nan_to_num(uncertainty)
    return ndvi, np.clip(error, 0, 1)


def _input_of(output: Path) -> str | None:
    try:
        return find_input(output)
    except UncloudedError:
        return None
