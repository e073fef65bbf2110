"""The quality of a scene on the map: its layers, their legends, and the shares of sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from unclouded.colour import GLANCE, OPACITY_COLOUR, QUALITY_DESCRIPTIONS, Stretch, source_colour
from unclouded.errors import UncloudedError
from unclouded.files import quality_path
from unclouded.reading.files.georeference import check_georeference
from unclouded.reading.files.raster import open_raster, reduced_size
from unclouded.reading.quality import Quality, read_quality
from unclouded.reading.result_item import read_item, threshold_of
from unclouded.view.tiles import Colours, MapLayer, faded, ramp

_BRIGHTEST = 99
"""Percentile of the uncertainty at the end of the colour map."""

_LEGEND_STEPS = 16


@dataclass(frozen=True)
class MapQuality:
    """The quality of a scene.

    Attributes:
        layers: "opacity", "uncertainty" and "source", if present.
        legends: of the layers, for the page.
        replaced: share of the pixels with data that were replaced; None if unknown.
        source_names: names of the values of `source`.
        notes: what is missing, and why.
    """

    layers: Mapping[str, MapLayer] = field(default_factory=dict)
    legends: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    replaced: float | None = None
    source_names: Mapping[int, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def open_quality(after: Path) -> MapQuality:
    """Open the quality beside a cleared scene; if it is missing or damaged, there is a note."""
    path = quality_path(after)
    if not path.exists():
        return MapQuality(notes=(f"No opacity and uncertainty: {path.name} is not beside {after.name}",))
    try:
        with open_raster(str(path)) as dataset:
            check_georeference(dataset)
            height, width = dataset.shape
            bands = dataset.count
        quality = read_quality(path, (height, width), *reduced_size(height, width, GLANCE))
    except UncloudedError as error:
        return MapQuality(notes=(f"No opacity and uncertainty: {error}",))
    return _described(str(path), bands, quality, threshold_of(read_item(after)))


def _described(path: str, bands: int, quality: Quality, threshold: float | None) -> MapQuality:
    notes: list[str] = []
    layers = {"opacity": MapLayer(((path, 1),), Stretch((0.0,), (1.0,), 1.0), faded(OPACITY_COLOUR))}
    legends: dict[str, dict[str, Any]] = {
        "opacity": _scale(layers["opacity"], "0, kept", "1, replaced") | {"mark": threshold},
    }
    values = quality.uncertainty[np.nan_to_num(quality.uncertainty) > 0]
    if values.size:
        full = float(np.percentile(values, _BRIGHTEST))
        layers["uncertainty"] = MapLayer(((path, 2),), Stretch((0.0,), (full,), 1.0), ramp("viridis"))
        legends["uncertainty"] = _scale(layers["uncertainty"], "0", f"{full:.2g} reflectance or more")
    elif quality.replaced:
        notes.append("Uncertainty is 0 everywhere: the weights predict no errors")
    if bands > 2 and quality.shares:
        codes: Colours = {code: (*source_colour(code), 255 if code else 0) for code in range(256)}
        # Codes are colour indices, so they are not stretched.
        layers["source"] = MapLayer(((path, 3),), Stretch((0.0,), (255.0,), 1.0), codes)
        legends["source"] = {
            "entries": [
                {"colour": source_colour(code), "label": quality.source_name(code), "share": share}
                for code, share in quality.shares.items()
            ]
        }
    for name, legend in legends.items():
        legend["description"] = QUALITY_DESCRIPTIONS[name]
    source_names = {code: quality.source_name(code) for code in (0, *quality.shares)}
    replaced = quality.replaced if np.isfinite(quality.replaced) else None
    return MapQuality(layers, legends, replaced, source_names, tuple(notes))


def _scale(layer: MapLayer, low: str, high: str) -> dict[str, Any]:
    assert layer.colours is not None
    values = [round(255 * step / _LEGEND_STEPS) for step in range(_LEGEND_STEPS + 1)]
    return {"colours": [layer.colours[value] for value in values], "low": low, "high": high}
