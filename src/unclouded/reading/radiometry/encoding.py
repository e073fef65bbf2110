"""How a scene's DN are to be understood: type, scale, offsets and no-data, from all that its files say.

What they say is held against the pixels, for tags outlive the pixels that they were made for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader

from unclouded.errors import InputError, UnknownNumbersError, UnknownOffsetError
from unclouded.reading.radiometry.likeness import NUMBERS, Likeness, numbers_taken_for, taken_for
from unclouded.reading.radiometry.odd_pixels import (
    cut_off,
    filling_of,
    no_data_in_all,
    refuse_empty,
    refuse_mixed,
    refuse_stretched,
    without_largest,
)
from unclouded.reading.radiometry.offset_left_in import offset_left_in_note, refuse_offset_left_in
from unclouded.reading.radiometry.offset_taken_twice import refuse_offset_taken_twice, refuse_wrapped
from unclouded.reading.radiometry.offsets import (
    check_offset,
    negative_note,
    offset_at,
    offset_of_sample,
)
from unclouded.reading.radiometry.plausibility import Sample, ask_for_scale, data_of, implausible
from unclouded.reading.source import Source
from unclouded.reflectance import LOWEST, Encoding, holds_data, is_hole

DTYPES: tuple[str, ...] = ("uint16", "int16", "uint32", "int32", "float32", "float64")
USUAL_SCALE = 10000.0
PICTURE = (
    "an 8-bit picture such as TCI is not reflectance; give the 16-bit bands that it was made of, "
    "B02, B03, B04 and B08 among them"
)
"""What is wrong with pictures, and what to do."""

_DARK_ZERO = "0 in some of the bands is taken for a number, as theirs go on down to it; in all of them it is no data"

_T = TypeVar("_T")
_OF_REFLECTANCE = 100.0
"""Scales up to it are of reflectance and per cent, which carry no offset."""

_LITTLE, _FEW = 2000, 20
"""DN down to minus the first, of which there are more than the second in a band, are numbers and no fillings."""

_NEAR_ZERO, _STRAY = 0.02, 0.05
"""The values of a band go on to 0 if it has more than `_FEW` DN below the first reflectance. Bands that are 0 in no
more than the second share of the pixels that are so in some band do not count."""

_FAINT_DN = 200.0
"""Floats below it, not all of them whole numbers, are hardly DN."""


@dataclass(frozen=True)
class Declared:
    """What a file or an array says of its DN; None where it does not say.

    Attributes:
        scale: DN per 1.0 reflectance.
        offsets: DN to add before dividing, one per band.
        nodata: the DN that means none.
        by: what says so, for errors.
        certain: whether it belongs to these pixels beyond doubt, as in a product's own XML.
    """

    scale: float | None = None
    offsets: tuple[float, ...] | None = None
    nodata: float | None = None
    by: str = "its tag"
    certain: bool = False


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
    certain = not source.offsets_in_doubt and source.offsets is not None
    offsets = own[1] if own and own[1] else source.offsets
    if source.scale is not None:
        return Declared(source.scale, offsets, nodata, "its metadata", certain), np.dtype(kind)
    return Declared(own[0] if own else None, offsets, nodata, "its tag", certain), np.dtype(kind)


def choose_encoding(
    name: str,
    bands: Sequence[str],
    dtype: np.dtype[Any],
    declared: Declared,
    sample: Sample,
    scale: float | None,
    offset: float | None,
    alike: Likeness | None = None,
) -> tuple[Encoding, list[str]]:
    """Decide scale, offsets and no-data of a scene's DN; arguments win over what is declared, that over habit.

    Args:
        name: how errors call the scene.
        bands: of the scene.
        dtype: of its DN.
        declared: what it says itself.
        sample: gives some DN of each band.
        scale: the user's, DN per 1.0 reflectance.
        offset: the user's, DN to add before dividing.
        alike: another image of the place, for what nothing else tells.

    Returns:
        The encoding, and what was assumed.

    Raises:
        InputError: nothing says it, or the pixels contradict it.
    """
    count = len(bands)
    given = (float(offset),) * count if offset is not None else None
    notes: list[str] = []
    if declared.certain and scale is None:
        chosen = declared.scale or USUAL_SCALE
        return Encoding(chosen, given or declared.offsets or (0.0,) * count, _nodata(declared.nodata, dtype)), notes
    values = sample()
    nodata = None if declared.nodata is None and _below_zero(dtype, values) else _nodata(declared.nodata, dtype)
    refuse_wrapped(name, dtype, values, nodata)
    values, filled = without_largest(dtype, values, nodata)
    if filled:
        notes.append(no_data_in_all(np.iinfo(dtype).max))
    whole, found = values, filling_of(values, nodata)
    values = values if found is None else found.outside(values)
    refuse_mixed(name, bands, dtype, values)
    if scale is None:
        refuse_stretched(name, dtype, values)
        offsets = given or declared.offsets or (0.0,) * count
        stated = replace(declared, offsets=offsets, nodata=nodata)
        chosen, said = _choose_scale(name, bands, dtype, stated, values, alike)
        notes += said
    else:
        chosen = float(scale)
    filling = None
    if found is not None and found.is_hole(chosen):
        filling = found.values
        notes.append(found.note(bands))
    else:
        values = whole
    if (cut := cut_off(values, chosen)) is not None:
        if scale is None and alike is None:
            cut.refuse(name)
        notes.append(cut.note)
    encoding = Encoding(chosen, (0.0,) * count, nodata, filling)
    refuse_empty(name, bands, data_of(values, encoding))
    if given is None:
        offsets, said = _choose_offsets(name, bands, dtype, declared, values, encoding, alike)
        encoding = replace(encoding, offsets=offsets)
    else:
        encoding = replace(encoding, offsets=given)
        said = negative_note(bands, data_of(values, encoding), given[0])
    notes += said
    if filled and declared.nodata is None:
        encoding = replace(encoding, nodata=float(np.iinfo(dtype).max))
    encoding, said = _undeclared_nodata(encoding, dtype, values, declared.nodata)
    return encoding, notes + said


def _choose_offsets(
    name: str,
    bands: Sequence[str],
    dtype: np.dtype[Any],
    declared: Declared,
    values: Sequence[NDArray[np.generic]],
    encoding: Encoding,
    alike: Likeness | None,
) -> tuple[tuple[float, ...], list[str]]:
    """Take the declared offsets, or what the pixels tell, or the offset of another image of the place."""
    scale, count = encoding.scale, len(bands)
    none = (0.0,) * count
    as_reflectance = dtype.kind == "f" and scale <= _OF_REFLECTANCE
    if declared.offsets is not None and (declared.scale == scale or not as_reflectance):
        offsets = declared.offsets
        try:
            if min(offsets) < 0 and not declared.certain:
                check_offset(name, bands, data_of(values, replace(encoding, offsets=offsets)), offsets)
        except UnknownNumbersError:
            if alike is None:
                raise
            why = f"as too much of it would be negative with {min(offsets):g}, which its name or metadata means"
            return none, [numbers_taken_for(scale, 0, why)]
        return offsets, [] if any(offsets) or not as_reflectance else offset_left_in_note(
            data_of(values, encoding), scale
        )
    of_scene = 0.0 if alike is None else alike.offset * scale
    as_scene = [numbers_taken_for(scale, of_scene, "as the scene is, for it does not say it itself")]
    try:
        refuse_offset_taken_twice(name, bands, values, encoding)
    except UnknownNumbersError:
        if of_scene <= 0:
            raise
        return (of_scene,) * count, as_scene
    as_it_is = data_of(values, encoding)
    if as_reflectance:
        left_in = offset_left_in_note(as_it_is, scale)
        if alike is None:
            refuse_offset_left_in(name, bands, as_it_is, scale)
        return ((of_scene,) * count, as_scene) if left_in and of_scene < 0 else (none, left_in)
    try:
        assumed, said = offset_of_sample(name, as_it_is, scale)
    except UnknownOffsetError:
        if alike is None or alike.scale != scale:
            raise  # DN and reflectance have nothing in common
        assumed = offset_at(scale)
        said = [numbers_taken_for(scale, assumed, "as its darkest pixels are as bright as that makes them")]
    return (assumed,) * count, said


def _choose_scale(
    name: str,
    bands: Sequence[str],
    dtype: np.dtype[Any],
    declared: Declared,
    values: Sequence[NDArray[np.generic]],
    alike: Likeness | None,
) -> tuple[float, list[str]]:
    """Take the declared scale, or that of another image of the place or the usual ones in turn, if the pixels agree."""
    assert declared.offsets is not None
    usual = (1.0, USUAL_SCALE) if dtype.kind == "f" else (USUAL_SCALE,)
    found = ""
    if (
        declared.scale is None
        and alike is None
        and dtype.kind == "f"
        and not any(np.isfinite(band).any() for band in values)
    ):
        raise InputError(f"{name}: {dtype} without data where it was looked at; give --scale 1 if it is reflectance")
    stated = () if declared.scale is None else (declared.scale,)
    of_scene = () if alike is None else (alike.scale,)
    for candidate in dict.fromkeys((*stated, *of_scene) if stated else (*of_scene, *usual)):
        fault = None
        for offsets in (declared.offsets, (0.0,) * len(bands)):
            # Where the DN are plausible without the offset, it is at fault and not the scale: `check_offset` says so.
            fault = implausible(bands, data_of(values, Encoding(candidate, offsets, declared.nodata)))
            if fault is None:
                break
        if candidate == USUAL_SCALE and dtype.kind == "f" and candidate not in stated and _fractions(values):
            fault = fault or "its values are no whole numbers, and small"
        if fault is None:
            if candidate not in stated and (stated or candidate not in usual):
                return candidate, [taken_for(f"{NUMBERS} {candidate:g}, as the scene is")]
            if stated or dtype.kind in "iu":
                return candidate, []
            what = "its values are reflectance" if candidate == 1 else f"{candidate:.0f} DN per 1.0 reflectance"
            return candidate, [f"scale assumed: {candidate:.0f} ({what}); give --scale if it is another"]
        who = f"{declared.by} says" if candidate in stated else "without a tag it would be"
        if not stated or candidate in stated:
            found = f"{who} {candidate:.6g} DN per 1.0 reflectance, but then {fault}"
    raise ask_for_scale(name, found, values, declared.nodata)


def _fractions(values: Sequence[NDArray[np.generic]]) -> bool:
    data = np.concatenate([band[np.isfinite(band)].astype(np.float64) for band in values])
    return bool(data.size and np.percentile(data, 99) < _FAINT_DN and np.mean(data != np.rint(data)) > 0.1)


def _nodata(declared: float | None, dtype: np.dtype[Any]) -> float | None:
    """The no-data DN; integers without one that their type holds have 0, as Sentinel-2 products."""
    if dtype.kind not in "iu":
        return None if declared is None else float(declared)
    there = declared is not None and np.iinfo(dtype).min <= declared <= np.iinfo(dtype).max
    return float(declared) if declared is not None and there else 0.0


def _below_zero(dtype: np.dtype[Any], values: Sequence[NDArray[np.generic]]) -> bool:
    """Whether integers go on below 0 as above, so that 0 is a number like others and not that of no data."""
    if dtype.kind != "i":
        return False
    dn = (band.astype(np.int64) for band in values)
    return any(np.unique(band[(band < 0) & (band > -_LITTLE)]).size > _FEW for band in dn)


def _undeclared_nodata(
    encoding: Encoding, dtype: np.dtype[Any], values: Sequence[NDArray[np.generic]], declared: float | None
) -> tuple[Encoding, list[str]]:
    """Find the DN by which a scene without a no-data tag marks its holes, to be the result's tag, and say so."""
    said = []
    data = np.concatenate([band.ravel() for band in values]) if values else np.empty(0, dtype)
    floor = min(LOWEST * encoding.scale - offset for offset in encoding.offsets)
    fills, counts = np.unique(data[(data < floor) & (data != encoding.nodata)], return_counts=True)
    if fills.size:
        fill = float(fills[counts.argmax()])
        said.append(f"{fill:g} is taken for no data: no ground has such a reflectance")
        if declared is None or (dtype.kind in "iu" and not np.iinfo(dtype).min <= declared <= np.iinfo(dtype).max):
            encoding = replace(encoding, nodata=fill)
    if len(values) > 1 and len({band.shape for band in values}) == 1:
        dn = np.stack(values)
        if encoding.nodata == 0 and not any(encoding.offsets) and _goes_on_to_zero(dn, encoding):
            # Where it is declared it stays the result's tag, for the holes.
            encoding = replace(encoding, together=True) if declared == 0 else replace(encoding, nodata=None)
            said.append(_DARK_ZERO)
        holes = is_hole(dn, encoding) & holds_data(dn, encoding).all(axis=0)
        fills, counts = np.unique(dn[0][holes], return_counts=True)
        if fills.size:
            said.append(no_data_in_all(fills[counts.argmax()]))
    return encoding, said


def _goes_on_to_zero(dn: NDArray[np.generic], encoding: Encoding) -> bool:
    """Whether 0 in some bands of (C, ...) is a number, as where +1000 was taken off and cut off at 0.

    At the edge of a swath, where bands end one after the other, theirs are as bright beside it as elsewhere.
    """
    alone = (dn == 0) & (dn != 0).any(axis=0)
    counts = np.count_nonzero(alone, axis=tuple(range(1, dn.ndim)))
    of_most = dn[counts > _STRAY * alone.any(axis=0).sum()]
    dark = [band[(band > 0) & (band < _NEAR_ZERO * encoding.scale)] for band in of_most]
    return bool(dark) and all(np.unique(band).size > _FEW for band in dark)


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
    said = [value for value in values if value is not None]
    advice = "convert them first, for example with gdalwarp -dstnodata 0"
    if said and not 0 < said[0] < np.iinfo(np.uint16).max:
        return _same(source, [said[0] if value is None else value for value in values], "no-data value", advice)
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
