"""What a SCENE of `unclouded view` names: a cleared image, the image before, and the quality beside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.warp import transform_bounds
from rio_tiler.constants import WGS84_CRS
from rio_tiler.io import Reader

from unclouded.bands import ASSUMED_ORDER
from unclouded.errors import InputError, UncloudedError
from unclouded.files import QUALITY_BANDS, quality_path
from unclouded.reading.naming import band_named, unnamed
from unclouded.reading.raster import FAULTS, check_georeference, open_raster
from unclouded.reading.reader import find_source
from unclouded.reading.scene_pair import find_cleared, find_input
from unclouded.reading.source import Wanted
from unclouded.view.tiles import MapLayer, colour_map, nodata_of

_TRUE_COLOUR = ("B04", "B03", "B02")
_PERCENTILES = (1, 99)
"""Of the cleared image: shown as black and as full, band by band."""

_GLANCE = 1024
"""Pixels of the longer side at which an image is looked at as a whole."""

_COLOUR_MAPS = dict(zip(QUALITY_BANDS, ("plasma", "viridis", "viridis"), strict=True))


@dataclass(frozen=True)
class MapScene:
    """A scene on the map.

    Attributes:
        name: for the list of scenes.
        layers: "after", and those of "before", "opacity" and "uncertainty" that are there.
        bounds: west, south, east, north in degrees.
        zoom: level from which on tiles hold every pixel of the file.
        notes: what is not there, and why.
    """

    name: str
    layers: Mapping[str, MapLayer]
    bounds: tuple[float, float, float, float]
    zoom: int
    notes: Sequence[str]


def open_map_scene(argument: str) -> MapScene:
    """Find the files of `clear.tif` or `before.tif=clear.tif` (`reading.scene_pair`), and what it takes to draw them.

    Raises:
        InputError: the cleared image has no georeference, no place on the Earth or no data, or the image before lies
            elsewhere.
        FileError: a file that was named is missing, damaged or not a GeoTIFF.
    """
    before, cleared = find_cleared(argument)
    after = str(cleared)
    notes: list[str] = []
    with open_raster(after) as dataset:
        check_georeference(dataset)
        _check_place(dataset, after)
        reader = Reader(None, dataset=dataset)
        bounds, zoom = reader.get_geographic_bounds(WGS84_CRS), int(reader.maxzoom)
        indexes = _true_colour(dataset)
        stretch = _stretch(dataset, indexes)
        notes += _slow(dataset)
    layers = {"after": MapLayer(tuple((after, index) for index in indexes), stretch)}
    bands, said = _before(before, cleared, bounds)
    if bands:
        layers["before"] = MapLayer(bands, stretch)
    notes += said
    quality, said = _quality(cleared)
    return MapScene(cleared.name, layers | quality, bounds, zoom, notes + said)


def _check_place(dataset: DatasetReader, name: str) -> None:
    """Refuse an image that lies nowhere on a map; rio-tiler would take it for the whole Earth."""
    try:
        bounds = transform_bounds(dataset.crs, WGS84_CRS, *dataset.bounds)
    except FAULTS:
        bounds = (math.inf,)
    if not all(map(math.isfinite, bounds)):
        raise InputError(
            f"{name}: its coordinate reference system leads to no place on the Earth, so it cannot be shown on a map; "
            "assign the one it has, or look at it with `unclouded report`"
        )


def _before(
    named: str | None, after: Path, bounds: tuple[float, float, float, float]
) -> tuple[tuple[tuple[str, int], ...], list[str]]:
    """Find the true colour of the image before; one that is not named may be missing, which is said."""
    if named is not None:
        return _bands_before(named, bounds)
    try:
        return _bands_before(find_input(after), bounds)
    except UncloudedError as error:
        return (), [f"No image before clearing: {error}"]


def _bands_before(
    path: str, bounds: tuple[float, float, float, float]
) -> tuple[tuple[tuple[str, int], ...], list[str]]:
    """Find the true colour of anything that can be cleared: files and indexes, and what is to be said of them."""
    if Path(path).is_file() and Path(path).suffix.lower() not in (".json", ".zip"):
        with open_raster(path) as dataset:
            bands = tuple((path, index) for index in _true_colour(dataset))
    else:
        found = {layer.band: layer for layer in find_source(path, Wanted(offset_given=True)).layers}
        if missing := [band for band in _TRUE_COLOUR if band not in found]:
            raise InputError(f"{path}: has no {', '.join(missing)}; {', '.join(_TRUE_COLOUR)} are needed to show it")
        bands = tuple((found[band].path, found[band].index) for band in _TRUE_COLOUR)
    notes: list[str] = []
    for file in dict.fromkeys(file for file, _ in bands):
        with open_raster(file) as dataset:
            check_georeference(dataset)
            west, south, east, north = Reader(None, dataset=dataset).get_geographic_bounds(WGS84_CRS)
            if west >= bounds[2] or east <= bounds[0] or south >= bounds[3] or north <= bounds[1]:
                raise InputError(f"{path}: lies elsewhere than the cleared image; give the image that was cleared")
            notes += _slow(dataset)
    return bands, notes


def _quality(after: Path) -> tuple[dict[str, MapLayer], list[str]]:
    """Find opacity and uncertainty beside the cleared image: layers, and which are not there."""
    path = quality_path(after)
    if not path.exists():
        return {}, [f"No opacity and uncertainty: {path.name} is not beside {after.name}"]
    try:
        with open_raster(str(path)) as dataset:
            check_georeference(dataset)
            return _quality_layers(dataset, path)
    except UncloudedError as error:
        return {}, [f"No opacity and uncertainty: {error}"]


def _quality_layers(dataset: DatasetReader, path: Path) -> tuple[dict[str, MapLayer], list[str]]:
    layers: dict[str, MapLayer] = {}
    notes = _slow(dataset)
    for name in QUALITY_BANDS:
        if name == "source" and name not in dataset.descriptions:
            continue  # a result of before there was one
        if name not in dataset.descriptions:
            notes.append(f"No {name}: {path.name} has no band of that name")
            continue
        index = dataset.descriptions.index(name) + 1
        full = float(dataset.count) if name == "source" else 1.0
        if name == "uncertainty":
            values = _glance(dataset, (index,)).compressed()
            values = values[values > 0]
            if not values.size:
                notes.append("Uncertainty is 0 everywhere: a clear scene, or weights that foresee no errors")
                continue
            full = float(np.percentile(values, _PERCENTILES[1]))
        layers[name] = MapLayer(((str(path), index),), ((0.0, full),), colour_map(_COLOUR_MAPS[name]))
    return layers, notes


def _true_colour(dataset: DatasetReader) -> tuple[int, ...]:
    """Return the indexes of red, green and blue: by name, else by the usual order, else the first three."""
    names: list[str | None] = [band_named(text or "") for text in dataset.descriptions]
    if unnamed(dataset.descriptions) and dataset.count in ASSUMED_ORDER:
        names = list(ASSUMED_ORDER[dataset.count])
    if all(band in names for band in _TRUE_COLOUR):
        return tuple(names.index(band) + 1 for band in _TRUE_COLOUR)
    return (1, 2, 3) if dataset.count >= 3 else (1, 1, 1)


def _stretch(dataset: DatasetReader, indexes: tuple[int, ...]) -> tuple[tuple[float, float], ...]:
    """Choose what is shown as black and as full, for each band."""
    ranges = []
    for band in _glance(dataset, indexes):
        values = band.compressed()
        values = values[np.isfinite(values)]
        if not values.size:
            raise InputError(f"{dataset.name}: holds no data to show; give an output of `unclouded clear`")
        low, high = (float(value) for value in np.percentile(values, _PERCENTILES))
        ranges.append((low, high if high > low else low + 1))
    return tuple(ranges)


def _glance(
    dataset: DatasetReader, indexes: tuple[int, ...]
) -> np.ma.MaskedArray[tuple[int, ...], np.dtype[np.float32]]:
    """Read bands (C, h, w) at low resolution, from the overviews where there are some."""
    shrink = max(1, max(dataset.shape) / _GLANCE)
    shape = (len(indexes), *(max(1, round(side / shrink)) for side in dataset.shape))
    try:
        pixels: NDArray[np.float32] = dataset.read(list(indexes), out_shape=shape, out_dtype="float32")
    except FAULTS as error:
        raise InputError(f"{dataset.name}: cannot be read: cut short or damaged; copy or download it again") from error
    nodata = nodata_of(dataset)
    return np.ma.masked_array(pixels, ~np.isfinite(pixels) | (pixels == nodata))


def _slow(dataset: DatasetReader) -> list[str]:
    """Say that an image is slow to draw, if it is large and has no overviews."""
    if dataset.driver != "GTiff" or max(dataset.shape) <= 4 * _GLANCE or dataset.overviews(1):
        return []
    return [f"{Path(dataset.name).name} has no overviews: slow to draw as a whole; gdaladdo -ro adds them"]
