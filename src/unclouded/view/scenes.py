"""The scenes of `unclouded view`: a cleared image, the image before, and the quality beside it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from rasterio.io import DatasetReader
from rasterio.warp import transform_bounds
from rio_tiler.constants import WGS84_CRS
from rio_tiler.io import Reader

from unclouded.colour import GLANCE
from unclouded.errors import InputError, UncloudedError
from unclouded.reading.files.georeference import check_georeference
from unclouded.reading.files.raster import FAULTS, open_raster
from unclouded.reading.find_source import find_source
from unclouded.reading.info import SceneInfo
from unclouded.reading.names.dates import acquired
from unclouded.reading.reader import ReadOptions
from unclouded.reading.result_item import completed_by_item, item_time, read_item
from unclouded.reading.scene_pair import find_cleared, find_input
from unclouded.reading.source import Wanted
from unclouded.view.images import BandPlaces, MapImages, bands_before, bands_of, composites
from unclouded.view.quality import MapQuality, open_quality
from unclouded.view.tiles import MapLayer

Bounds = tuple[float, float, float, float]
"""West, south, east and north in degrees."""

_SAME_PLACE = 0.5
"""Least overlap, as a share of the smaller scene, of two scenes of one place."""


@dataclass(frozen=True)
class MapScene:
    """A scene on the map.

    Attributes:
        name: of the cleared file.
        acquired: acquisition time; None if unknown.
        level: "L1C" or "L2A"; empty if unknown.
        images: the cleared image and the one before.
        quality: opacity, uncertainty and source.
        bounds: west, south, east, north in degrees.
        zoom: zoom level of the full resolution.
        notes: what is missing, and why.
    """

    name: str
    acquired: datetime | None
    level: str
    images: MapImages
    quality: MapQuality
    bounds: Bounds
    zoom: int
    notes: Sequence[str]

    def layer(self, name: str) -> MapLayer:
        """The layer of a quality band, or of an image: "after-COMPOSITE-STRETCH".

        Raises:
            KeyError: there is no such layer.
        """
        image, *shown_as = name.split("-")
        if not shown_as:
            return self.quality.layers[name]
        if len(shown_as) != 2:
            raise KeyError(name)
        return self.images.layer(image, *shown_as)


def open_map_scene(argument: str, reading: ReadOptions | None = None) -> MapScene:
    """Open the files of `clear.tif` or `before.tif=clear.tif`, see `reading.scene_pair`, as map layers.

    Args:
        argument: names the scene.
        reading: options by the user for bands, level and encoding.

    Raises:
        InputError: the cleared image has no georeference, no place on the Earth or no data, or the image before lies
            elsewhere.
        FileError: a file that was named is missing, damaged or not a GeoTIFF.
    """
    named, cleared = find_cleared(argument)
    with open_raster(str(cleared)) as dataset:
        check_georeference(dataset)
        _check_place(dataset, str(cleared))
        reader = Reader(None, dataset=dataset)
        bounds, zoom = reader.get_geographic_bounds(WGS84_CRS), int(reader.maxzoom)
        after: BandPlaces = bands_of(dataset, str(cleared))
        notes = _slow(dataset)
    reading = reading or ReadOptions()
    info, level, more = _describe_cleared(cleared, reading)
    notes += more
    if info is not None:
        layers = find_source(str(cleared), replace(reading.wanted, variant=None, offset_given=True)).layers
        after = {layer.band: (layer.path, layer.index) for layer in layers if layer.band in info.bands}
    before, more = _before(named, cleared, after, bounds, replace(reading.wanted, offset_given=True))
    notes += more
    shown = composites(after, before, named or "the image before")
    images = MapImages(after, before, shown, info.encoding if info else None)
    # Fits the stretch before the first tiles are requested, and refuses an image without data.
    images.layer("after", next(iter(shown)), "scene")
    quality = open_quality(cleared)
    taken = item_time(read_item(cleared)) or (acquired(info) if info else None)
    return MapScene(cleared.name, taken, level, images, quality, bounds, zoom, [*notes, *quality.notes])


def places(bounds: Sequence[Bounds]) -> list[int]:
    """The number of each scene's place; scenes of one place overlap its first scene by at least `_SAME_PLACE`."""
    firsts: list[Bounds] = []
    found = []
    for own in bounds:
        number = next((n for n, first in enumerate(firsts) if _overlap(first, own) > _SAME_PLACE), len(firsts))
        if number == len(firsts):
            firsts.append(own)
        found.append(number)
    return found


def _overlap(a: Bounds, b: Bounds) -> float:
    """Overlap of two boxes as a share of the smaller one."""
    # Boxes across the antimeridian have their west east of their east.
    (west, east), (left, right) = ((box[0], box[2] + 360 * (box[2] < box[0])) for box in (a, b))
    wide, high = min(east, right) - max(west, left), min(a[3], b[3]) - max(a[1], b[1])
    area = min((east - west) * (a[3] - a[1]), (right - left) * (b[3] - b[1]))
    return max(0.0, wide) * max(0.0, high) / area if area > 0 else 0.0


def _describe_cleared(cleared: Path, reading: ReadOptions) -> tuple[SceneInfo | None, str, list[str]]:
    """Description and level of a cleared image; without an encoding None, "" and a note."""
    reading = replace(completed_by_item(cleared, reading), variant=None)
    try:
        with replace(reading, level_needed=True).open(str(cleared)) as scene:
            return scene.info, scene.info.level, []
    except InputError:
        pass  # perhaps only the level is unknown
    try:
        with reading.open(str(cleared)) as scene:
            return scene.info, "", []
    except InputError as error:
        return None, "", [f"Values are shown as they are in the file: {error}"]


def _check_place(dataset: DatasetReader, name: str) -> None:
    """Refuse an image without a place on the Earth, whose bounds rio-tiler would take for the whole Earth."""
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
    named: str | None, cleared: Path, after: BandPlaces, bounds: Bounds, wanted: Wanted
) -> tuple[BandPlaces, list[str]]:
    """Find the bands of the image before; one that is not named may be missing, with a note."""
    if named is not None:
        return _checked(named, after, bounds, wanted)
    try:
        return _checked(find_input(cleared), after, bounds, wanted)
    except UncloudedError as error:
        return {}, [f"No image before clearing: {error}"]


def _checked(path: str, after: BandPlaces, bounds: Bounds, wanted: Wanted) -> tuple[BandPlaces, list[str]]:
    """Find the bands of an image and check that they lie where the cleared ones do."""
    bands = bands_before(path, after, wanted)
    composites(after, bands, path)
    notes: list[str] = []
    for file in dict.fromkeys(file for file, _ in bands.values()):
        with open_raster(file) as dataset:
            check_georeference(dataset)
            west, south, east, north = Reader(None, dataset=dataset).get_geographic_bounds(WGS84_CRS)
            if west >= bounds[2] or east <= bounds[0] or south >= bounds[3] or north <= bounds[1]:
                raise InputError(f"{path}: lies elsewhere than the cleared image")
            notes += _slow(dataset)
    return bands, notes


def _slow(dataset: DatasetReader) -> list[str]:
    """A note if an image is large and has no overviews, so that it is slow to draw."""
    if dataset.driver != "GTiff" or max(dataset.shape) <= 4 * GLANCE or dataset.overviews(1):
        return []
    return [f"{Path(dataset.name).name} has no overviews: slow to draw as a whole; gdaladdo -ro adds them"]
