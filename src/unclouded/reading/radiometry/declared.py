"""What files declare of their DN: type, scale, offsets and no-data value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from rasterio.io import DatasetReader

from unclouded.errors import InputError
from unclouded.reading.source import Source

DTYPES: tuple[str, ...] = ("uint16", "int16", "uint32", "int32", "float32", "float64")
USUAL_SCALE = 10000.0
"""DN per 1.0 reflectance in Sentinel-2 products (their QUANTIFICATION_VALUE)."""

EIGHT_BIT = (
    "an 8-bit picture such as TCI is not reflectance; give the 16-bit bands that it was made of, "
    "B02, B03, B04 and B08 among them"
)
"""What is wrong with 8-bit images, and what to do; for errors."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Declared:
    """What a file or an array declares of its DN; None where it does not.

    Attributes:
        scale: DN per 1.0 reflectance.
        offsets: DN to add before dividing, one per band.
        nodata: the DN that means "no data".
        by: what declares it, for errors.
        certain: whether it surely belongs to these pixels, as a product's own XML does.
        by_name: whether the offsets follow from the file's name alone.
    """

    scale: float | None = None
    offsets: tuple[float, ...] | None = None
    nodata: float | None = None
    by: str = "its tag"
    certain: bool = False
    by_name: bool = False


def declared_by(source: Source, datasets: dict[str, DatasetReader]) -> tuple[Declared, np.dtype[Any]]:
    """Gather what a source and its files declare, and the type of their DN; tags win over names.

    Raises:
        InputError: files contradict each other, or hold what cannot be DN.
    """
    layers = [(datasets[layer.path], layer.index - 1) for layer in source.layers]
    kind: str = _common(source, [file.dtypes[n] for file, n in layers], "data type")
    own = _gdal_metadata(source, datasets)
    if kind not in DTYPES and not (kind == "uint8" and (source.scale or own)):
        advice = f"accepted: {', '.join(DTYPES)}; convert it first" if kind != "uint8" else EIGHT_BIT
        raise InputError(f"{source.name}: is {kind}; {advice}")
    nodata = _same_nodata(source, [file.nodatavals[n] for file, n in layers])
    certain = not source.offsets_uncertain and source.offsets is not None
    offsets = own[1] if own and own[1] else source.offsets
    if source.scale is not None:
        return Declared(source.scale, offsets, nodata, "its metadata", certain), np.dtype(kind)
    by_name = source.own_metadata and offsets is source.offsets
    return Declared(own[0] if own else None, offsets, nodata, "its tag", certain, by_name), np.dtype(kind)


def _common(source: Source, values: Sequence[_T], what: str, advice: str = "convert them first") -> _T:
    """Return the one value that all layers share; InputError when they differ."""
    for band, value in zip(source.bands, values, strict=True):
        if str(value) != str(values[0]):
            raise InputError(
                f"{source.name}: {what} differs: {values[0]} in {source.bands[0]}, {value} in {band}; "
                f"one for all bands is accepted; {advice}"
            )
    return values[0]


def _same_nodata(source: Source, values: Sequence[float | None]) -> float | None:
    """Return the no-data value of the layers that have one, for all of them, unless it may be a DN of the ground."""
    known = [value for value in values if value is not None]
    advice = "convert them first, for example with gdalwarp -dstnodata 0"
    if known and not 0 < known[0] < np.iinfo(np.uint16).max:
        return _common(source, [known[0] if value is None else value for value in values], "no-data value", advice)
    return _common(source, values, "no-data value", advice)


def _gdal_metadata(source: Source, datasets: dict[str, DatasetReader]) -> tuple[float, tuple[float, ...] | None] | None:
    """Scale and offsets by GDAL's metadata, see `from_gdal`; None where unset."""
    scales = [float(datasets[layer.path].scales[layer.index - 1]) for layer in source.layers]
    offsets = [float(datasets[layer.path].offsets[layer.index - 1]) for layer in source.layers]
    return from_gdal(source.name, scales, offsets)


def from_gdal(
    name: str, scales: Sequence[float], offsets: Sequence[float]
) -> tuple[float, tuple[float, ...] | None] | None:
    """Convert GDAL's scales and offsets, value = DN * scale + offset, to DN per 1.0 reflectance and offsets in DN.

    Returns:
        None if nothing is set. The offsets are None if all are 0: that is what a file has whose scale alone was set.

    Raises:
        InputError: the bands' scales differ, or are not positive.
    """
    if all(s == 1 for s in scales) and not any(offsets):
        return None
    if len(set(scales)) > 1 or not 0 < scales[0] < float("inf"):
        raise InputError(
            f"{name}: GDAL scales {sorted(set(scales))}; one positive scale for all bands is accepted; "
            "set it, if their numbers have one, with gdal_edit.py -scale 0.0001, else bring them to one"
        )
    step = scales[0]
    # With no scale, or beyond any reflectance, an offset can only be meant in DN.
    in_dn = tuple(o if step == 1 or abs(o) > 10 else o / step for o in offsets)
    return (USUAL_SCALE if step == 1 else 1 / step), in_dn if any(in_dn) else None
