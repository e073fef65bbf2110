"""The images of a scene on the map: their bands, composites and stretches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader

from unclouded.bands import ASSUMED_ORDER
from unclouded.colour import (
    COMPOSITE_DESCRIPTIONS,
    GLANCE,
    STRETCH_DESCRIPTIONS,
    Stretch,
    StretchKind,
    composites_of,
    fit_stretch,
)
from unclouded.errors import InputError
from unclouded.reading.files.raster import open_raster, read_overview, reduced_size
from unclouded.reading.find_source import find_source
from unclouded.reading.names.naming import bands_named, unnamed
from unclouded.reading.source import Wanted
from unclouded.reflectance import Encoding, to_reflectance
from unclouded.view.tiles import MapLayer, nodata_of

BandPlaces = Mapping[str, tuple[str, int]]
"""File and 1-based index of each band, by its name."""

_FIRST = "first"
_FIRST_DESCRIPTION = "the first three bands"


@dataclass(frozen=True)
class MapImages:
    """The cleared image and the one before.

    Attributes:
        after: the bands of the cleared image, in the file's order.
        before: those of the image before; empty if it is missing.
        composites: bands for red, green and blue, or one for grey, by name of the composite; the default one first.
        encoding: of the bands in `after`, for both images; None if unknown.
    """

    after: BandPlaces
    before: BandPlaces
    composites: Mapping[str, tuple[str, ...]]
    encoding: Encoding | None

    @property
    def stretches(self) -> tuple[StretchKind, ...]:
        """Available kinds of stretch; "fixed" needs reflectance."""
        return tuple(kind for kind in STRETCH_DESCRIPTIONS if kind != "fixed" or self.encoding is not None)

    @property
    def unit(self) -> str:
        """Unit of `value`."""
        return "DN" if self.encoding is None else "reflectance"

    def layer(self, image: str, composite: str, kind: str) -> MapLayer:
        """The layer of "before" or "after"; both have the stretch of the cleared image.

        Raises:
            KeyError: there is no such image, composite or stretch.
            InputError: the image holds no data.
            FileError: a file is missing or damaged.
        """
        places = {"before": self.before, "after": self.after}[image]
        bands = self.composites[composite]
        stretch = {name: name for name in self.stretches}[kind]  # type: ignore[index]
        own = tuple(self.after[band] for band in bands)
        return MapLayer(tuple(places[band] for band in bands), _stretch(own, self._encoding_of(bands), stretch))

    def describe(self, composite: str) -> str:
        """Name, bands and meaning of a composite as text."""
        name, _, shows = COMPOSITE_DESCRIPTIONS.get(composite, _FIRST_DESCRIPTION).partition(": ")
        return f"{name}: {' '.join(self.composites[composite])}{shows and '; '}{shows}"

    def value(self, band: str, dn: float) -> float:
        """The reflectance of a DN; the DN itself if the encoding is unknown."""
        encoding = self._encoding_of((band,))
        return dn if encoding is None else (dn + encoding.offsets[0]) / encoding.scale

    def _encoding_of(self, bands: tuple[str, ...]) -> Encoding | None:
        if self.encoding is None:
            return None
        present = list(self.after)
        return self.encoding.of_bands(present.index(band) for band in bands)


def composites(after: BandPlaces, before: BandPlaces, source: str) -> dict[str, tuple[str, ...]]:
    """The composites for which both images have the bands.

    Raises:
        InputError: there is none; it names the image before as `source`.
    """
    found = composites_of(tuple(after))
    if "grey" in found and len(after) >= 3:
        found = {_FIRST: tuple(after)[:3]}
    shown = {name: bands for name, bands in found.items() if not before or set(bands) <= set(before)}
    if not shown:
        needed = next(iter(found.values()))
        missing = [band for band in needed if band not in before]
        raise InputError(f"{source}: has no {', '.join(missing)}; {', '.join(needed)} are needed to show it")
    return shown


def bands_of(dataset: DatasetReader, path: str) -> dict[str, tuple[str, int]]:
    """The bands of a stack: by description, else in the usual order, else numbered."""
    names = bands_named(dataset.descriptions)
    if unnamed(dataset.descriptions) and dataset.count in ASSUMED_ORDER:
        names = list(ASSUMED_ORDER[dataset.count])
    places: dict[str, tuple[str, int]] = {}
    for index, name in enumerate(names, 1):
        places[name if name and name not in places else f"band {index}"] = (path, index)
    return places


def bands_before(path: str, after: BandPlaces, wanted: Wanted) -> dict[str, tuple[str, int]]:
    """The bands of any source of a scene; errors as of `open_raster` and `find_source`."""
    named = wanted.bands is not None or wanted.band_names is not None
    if not named and Path(path).is_file() and Path(path).suffix.lower() not in (".json", ".zip"):
        with open_raster(path) as dataset:
            if dataset.count == len(after) and unnamed(dataset.descriptions):
                # A result has the bands of its input in their order, with names.
                return {name: (path, index) for index, name in enumerate(after, 1)}
            return bands_of(dataset, path)
    layers = find_source(path, wanted).layers
    return {layer.band: (layer.path, layer.index) for layer in layers}


def glance(dataset: DatasetReader, indexes: tuple[int, ...], encoding: Encoding | None) -> NDArray[np.float32]:
    """Read bands (C, h, w) at low resolution, averaged; NaN where there is no data.

    Raises:
        FileError: the file is damaged.
    """
    dn = read_overview(dataset, indexes, *reduced_size(dataset.height, dataset.width, GLANCE))
    if encoding is not None:
        values, valid = to_reflectance(dn, encoding)
    else:
        values = dn.astype(np.float32)
        valid = (np.isfinite(values) & (values != nodata_of(dataset))).all(axis=0)
    values[:, ~valid] = np.nan
    return values


@lru_cache(maxsize=256)
def _stretch(places: tuple[tuple[str, int], ...], encoding: Encoding | None, kind: StretchKind) -> Stretch:
    """Fit the stretch of some bands, in DN."""
    parts = []
    for path, bands in groupby(places, key=itemgetter(0)):
        with open_raster(path) as dataset:
            parts.append(glance(dataset, tuple(index for _, index in bands), encoding))
    values = np.concatenate(parts)
    if not np.isfinite(values).any():
        raise InputError(f"{places[0][0]}: holds no data to show; give an output of `unclouded clear`")
    stretch = fit_stretch(values, kind)
    return stretch if encoding is None else stretch.of_dn(encoding)
