"""How a scene's DN are to be understood: type, scale, offsets and no-data, from all that its files say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader

from unclouded.errors import InputError
from unclouded.reading.offsets import check_offset, offset_of_sample
from unclouded.reading.raster import sample
from unclouded.reading.source import Source
from unclouded.reflectance import Encoding

DTYPES: tuple[str, ...] = ("uint16", "int16", "uint32", "int32", "float32", "float64")
USUAL_SCALE = 10000.0

_DARK = ("B04", "B02", "B12")
"""Bands that are dark over most land and water, in which a wrong offset shows."""

_T = TypeVar("_T")
_REFLECTANCE = 100.0
"""Floats whose 99th percentile is below this are reflectance or per cent, not DN."""


def choose_encoding(
    source: Source, datasets: dict[str, DatasetReader], scale: float | None, offset: float | None
) -> tuple[Encoding, np.dtype[np.generic], list[str]]:
    """Decide scale, offsets, no-data and type of a scene's DN; arguments win over files, files over names.

    Returns the encoding, the type, and what was assumed. InputError when files contradict each other or do not tell.
    """
    notes: list[str] = []
    layers = [(datasets[layer.path], layer.index - 1) for layer in source.layers]
    kind: str = _same(source, [file.dtypes[n] for file, n in layers], "data type")
    own = _gdal_metadata(source, datasets)
    if kind not in DTYPES and not (kind == "uint8" and (scale or own)):
        hint = "an 8-bit picture is not reflectance; " if kind == "uint8" else ""
        raise InputError(f"{source.name}: is {kind}; {hint}accepted: {', '.join(DTYPES)}; convert it first")
    dtype = np.dtype(kind)
    nodata: float | None = _same(source, [file.nodatavals[n] for file, n in layers], "no-data value")
    if dtype.kind in "iu" and (nodata is None or not np.iinfo(dtype).min <= nodata <= np.iinfo(dtype).max):
        nodata = 0.0
    given = scale or source.scale or (own[0] if own else None)
    if given is None and dtype.kind == "f":
        _refuse_reflectance(source, dtype, _sample(source, datasets), nodata)
        notes.append(f"scale assumed: {USUAL_SCALE:.0f} DN per 1.0 reflectance")
    chosen = given or USUAL_SCALE

    count = len(source.layers)
    if offset is not None:
        offsets = (float(offset),) * count
    elif own and any(own[1]):
        offsets = own[1]
    elif dtype.kind == "f" and chosen <= _REFLECTANCE:
        offsets = (0.0,) * count
    elif source.offsets is not None:
        offsets = source.offsets
    elif own:
        offsets = own[1]
    else:
        assumed, said = offset_of_sample(source.name, _sample(source, datasets), nodata)
        offsets = (assumed,) * count
        notes += said
    encoding = Encoding(float(chosen), offsets, None if nodata is None else float(nodata))
    if offset is None and source.offsets_in_doubt and min(offsets) < 0:
        number = next((source.bands.index(band) for band in _DARK if band in source.bands), 0)
        layer = source.layers[number]
        check_offset(source.name, layer.band, sample(datasets[layer.path], [layer.index]), offsets[number], encoding)
    return encoding, dtype, notes


def _same(source: Source, values: Sequence[_T], what: str) -> _T:
    """Return the one value that all layers share; InputError when they differ."""
    for band, value in zip(source.bands, values, strict=True):
        if str(value) != str(values[0]):
            raise InputError(
                f"{source.name}: {what} differs: {values[0]} in {source.bands[0]}, {value} in {band}; "
                "one for all bands is accepted; convert them first"
            )
    return values[0]


def _gdal_metadata(source: Source, datasets: dict[str, DatasetReader]) -> tuple[float, tuple[float, ...]] | None:
    """Return scale and offsets in this package's terms from GDAL's (value = DN * scale + offset), None where unset."""
    scales = [float(datasets[layer.path].scales[layer.index - 1]) for layer in source.layers]
    offsets = [float(datasets[layer.path].offsets[layer.index - 1]) for layer in source.layers]
    if all(s == 1 for s in scales) and not any(offsets):
        return None
    if len(set(scales)) > 1 or not 0 < scales[0] < float("inf"):
        raise InputError(
            f"{source.name}: GDAL scales {sorted(set(scales))}; one positive scale for all bands is accepted"
        )
    step = scales[0]
    # With no scale, or beyond any reflectance, an offset can only be meant in DN.
    return (USUAL_SCALE if step == 1 else 1 / step), tuple(o if step == 1 or abs(o) > 10 else o / step for o in offsets)


def _sample(source: Source, datasets: dict[str, DatasetReader]) -> list[NDArray[np.generic]]:
    found: dict[tuple[str, int], NDArray[np.generic]] = {}
    for path, dataset in datasets.items():
        indexes = [layer.index for layer in source.layers if layer.path == path]
        for index, values in zip(indexes, sample(dataset, indexes), strict=True):
            found[path, index] = values
    return [found[layer.path, layer.index] for layer in source.layers]


def _refuse_reflectance(
    source: Source, dtype: np.dtype[np.generic], bands: list[NDArray[np.generic]], nodata: float | None
) -> None:
    values = np.concatenate([band.ravel() for band in bands])
    values = values[np.isfinite(values) & (values != nodata)] if nodata is not None else values[np.isfinite(values)]
    if not values.size:
        raise InputError(
            f"{source.name}: {dtype.name} without data where it was looked at; give --scale 1 if it is reflectance"
        )
    high = float(np.percentile(values, 99))
    if high <= _REFLECTANCE:
        raise InputError(
            f"{source.name}: {dtype.name} values up to {high:.3g} look like reflectance, not DN; "
            "give --scale 1 (--scale 100 for per cent)"
        )
