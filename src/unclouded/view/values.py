"""Pixel values of a scene at a position: every band before and after, and the quality."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from rasterio.warp import transform

from unclouded.reading.files.points import read_points
from unclouded.reading.files.raster import FAULTS, open_raster
from unclouded.view.images import BandPlaces
from unclouded.view.scenes import MapScene
from unclouded.view.tiles import nodata_of


def values_at(scene: MapScene, longitude: float, latitude: float) -> dict[str, Any]:
    """The values of the pixel at a position in degrees; unknown values are None or absent.

    Returns:
        `bands`, a list of [name, before, after]; their `unit`; `opacity` and `uncertainty`; the name of the `source`.

    Raises:
        FileError: a file is missing or damaged.
    """
    images, quality = scene.images, scene.quality
    before, after = _read(images.before, longitude, latitude), _read(images.after, longitude, latitude)
    bands = [
        [name, *(None if (dn := held.get(name)) is None else images.value(name, dn) for held in (before, after))]
        for name in images.after
    ]
    if not any(value is not None for _, *values in bands for value in values):
        return {"bands": []}
    held = _read({name: layer.bands[0] for name, layer in quality.layers.items()}, longitude, latitude)
    known: dict[str, float | str] = {}
    if "opacity" in held:
        # There is no layer of the uncertainty if it is 0 everywhere, and none of the source if all was observed.
        known = {name: held.get(name, 0.0) for name in ("opacity", "uncertainty")}
        if "source" in held or not held["opacity"]:
            known["source"] = quality.source_names.get(round(held.get("source", 0.0)), "another date")
    return {"bands": bands, "unit": images.unit, **known}


def _read(places: BandPlaces, longitude: float, latitude: float) -> dict[str, float]:
    """Values at a position by name, without those that are no data or outside the file."""
    found: dict[str, float] = {}
    for path in dict.fromkeys(path for path, _ in places.values()):
        names = {name: index for name, (file, index) in places.items() if file == path}
        with open_raster(path) as dataset:
            try:
                (x,), (y,) = transform("EPSG:4326", dataset.crs, [longitude], [latitude])
            except FAULTS:
                continue
            column, row = ~dataset.transform @ (x, y)
            if not (0 <= row < dataset.height and 0 <= column < dataset.width):
                continue
            at = (np.array([math.floor(axis)]) for axis in (row, column))
            values = read_points(dataset, list(names.values()), *at)[:, 0].astype(float)
            nodata = nodata_of(dataset)
        found |= {
            name: value
            for name, value in zip(names, values.tolist(), strict=True)
            if math.isfinite(value) and value != nodata
        }
    return found
