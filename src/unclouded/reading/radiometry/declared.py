"""What files say of their DN: type, scale, offsets and no-data value."""

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
PICTURE = (
    "an 8-bit picture such as TCI is not reflectance; give the 16-bit bands that it was made of, "
    "B02, B03, B04 and B08 among them"
)
"""What is wrong with pictures, and what to do."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Declared:
    """What a file or an array says of its DN; None where it does not say.

    Attributes:
        scale: DN per 1.0 reflectance.
        offsets: DN to add before dividing, one per band.
        nodata: the DN that means none.
        by: what says so, for errors.
        certain: whether it belongs to these pixels beyond doubt, as in a product's own XML.
        by_name: whether the name of the file alone tells the offsets.
    """

    scale: float | None = None
    offsets: tuple[float, ...] | None = None
    nodata: float | None = None
    by: str = "its tag"
    certain: bool = False
    by_name: bool = False


def declared_by(source: Source, datasets: dict[str, DatasetReader]) -> tuple[Declared, np.dtype[Any]]:
    """Gather what a source and its files say, and the type of their DN; files win over names.

    Raises:
        InputError: files contradict each other, or hold what cannot be DN.
    """
    layers = [(datasets[layer.path], layer.index - 1) for layer in source.layers]
    kind: str = _same(source, [file.dtypes[n] for file, n in layers], "data type")
    own = _gdal_metadata(source, datasets)
    if kind not in DTYPES and not (kind == "uint8" and (source.scale or own)):
        advice = f"accepted: {', '.join(DTYPES)}; convert it first" if kind != "uint8" else PICTURE
        raise InputError(f"{source.name}: is {kind}; {advice}")
    nodata = _same_nodata(source, [file.nodatavals[n] for file, n in layers])
    certain = not source.offsets_uncertain and source.offsets is not None
    offsets = own[1] if own and own[1] else source.offsets
    if source.scale is not None:
        return Declared(source.scale, offsets, nodata, "its metadata", certain), np.dtype(kind)
    by_name = source.own_metadata and offsets is source.offsets
    return Declared(own[0] if own else None, offsets, nodata, "its tag", certain, by_name), np.dtype(kind)


def _same(source: Source, values: Sequence[_T], what: str, advice: str = "convert them first") -> _T:
    """Return the one value that all layers share; InputError when they differ."""
    for band, value in zip(source.bands, values, strict=True):
        if str(value) != str(values[0]):
            raise InputError(
                f"{source.name}: {what} differs: {values[0]} in {source.bands[0]}, {value} in {band}; "
                f"one for all bands is accepted; {advice}"
            )
    return values[0]


def _same_nodata(source: Source, values: Sequence[float | None]) -> float | None:
    """Return the no-data value of those layers that have one; those without have it too, unless it may be ground."""
    known = [value for value in values if value is not None]
    advice = "convert them first, for example with gdalwarp -dstnodata 0"
    if known and not 0 < known[0] < np.iinfo(np.uint16).max:
        return _same(source, [known[0] if value is None else value for value in values], "no-data value", advice)
    return _same(source, values, "no-data value", advice)


def _gdal_metadata(source: Source, datasets: dict[str, DatasetReader]) -> tuple[float, tuple[float, ...] | None] | None:
    """Return scale and offsets in this package's terms from GDAL's (value = DN * scale + offset), None where unset."""
    scales = [float(datasets[layer.path].scales[layer.index - 1]) for layer in source.layers]
    offsets = [float(datasets[layer.path].offsets[layer.index - 1]) for layer in source.layers]
    return from_gdal(source.name, scales, offsets)


def from_gdal(
    name: str, scales: Sequence[float], offsets: Sequence[float]
) -> tuple[float, tuple[float, ...] | None] | None:
    """Return scale and offsets in this package's terms from those of value = DN * scale + offset, None where unset.

    An offset of 0 in all bands says nothing: it is what a file has whose scale alone was set.

    Raises:
        InputError: the bands' scales differ, or are none.
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
