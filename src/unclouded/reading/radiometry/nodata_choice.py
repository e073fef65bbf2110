"""The no-data value of a scene: as declared, else by its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.bands import BANDS, INDEX
from unclouded.reading.radiometry.fill_values import equal_fill_note
from unclouded.reflectance import LOWEST, Encoding, holds_data, is_fill

_DARK_ZERO = "0 in some of the bands is taken for a number, as theirs go on down to it; in all of them it is no data"

_LITTLE, _FEW = 2000, 20
"""More different DN than the second between minus the first and 0, in a band, are measurements and no fill values."""

_NEAR_ZERO, _STRAY = 0.02, 0.05
"""The values of a band go on to 0 if it has more than `_FEW` different DN below the first reflectance. Bands that are 0
in no more than the second share of the pixels that are 0 in any band do not count."""

_AMID_OTHERS = 0.01
"""Share of the other values of a band that is smaller, and share that is larger, than one that lies amid them."""

_MIN_PARTLY_EMPTY = 0.05
"""Share of the pixels from which on it is said that they have no data in some bands, more than edges of swaths have."""

_MIN_SPECKLED = 0.001
"""Share of the pixels from which on a no-data value in some bands alone is said to be one of the image's own values."""


def declared_nodata(declared: float | None, dtype: np.dtype[Any]) -> float | None:
    """The declared no-data value; 0, as in Sentinel-2 products, for integers that declare none of their type."""
    if dtype.kind not in "iu":
        return None if declared is None else float(declared)
    fits = declared is not None and np.iinfo(dtype).min <= declared <= np.iinfo(dtype).max
    return float(declared) if declared is not None and fits else 0.0


def goes_below_zero(dtype: np.dtype[Any], values: Sequence[NDArray[np.generic]]) -> bool:
    """Whether signed integers go on below 0, so that 0 is a measurement and not the no-data value."""
    if dtype.kind != "i":
        return False
    dn = (band.astype(np.int64) for band in values)
    return any(np.unique(band[(band < 0) & (band > -_LITTLE)]).size > _FEW for band in dn)


def undeclared_nodata(
    encoding: Encoding, dtype: np.dtype[Any], values: Sequence[NDArray[np.generic]], declared: float | None
) -> tuple[Encoding, list[str]]:
    """Find the fill value of a scene that declares none, which becomes the result's no-data value.

    Args:
        encoding: scale, offsets and the no-data value so far.
        dtype: of the DN.
        values: some DN (...) of each band.
        declared: the declared no-data value.

    Returns:
        The encoding, and notes on what is taken for no data.
    """
    notes = []
    data = np.concatenate([band.ravel() for band in values]) if values else np.empty(0, dtype)
    floor = min(LOWEST * encoding.scale - offset for offset in encoding.offsets)
    fills, counts = np.unique(data[(data < floor) & (data != encoding.nodata)], return_counts=True)
    if fills.size:
        fill = float(fills[counts.argmax()])
        notes.append(f"{fill:g} is taken for no data: no ground has such a reflectance")
        if declared is None or (dtype.kind in "iu" and not np.iinfo(dtype).min <= declared <= np.iinfo(dtype).max):
            encoding = replace(encoding, nodata=fill)
    if len(values) > 1 and len({band.shape for band in values}) == 1:
        dn = np.stack(values)
        if encoding.nodata == 0 and not any(encoding.offsets) and _goes_on_to_zero(dn, encoding):
            # A declared 0 stays the result's no-data value, for pixels that are 0 in all bands.
            encoding = replace(encoding, nodata_in_all_bands=True) if declared == 0 else replace(encoding, nodata=None)
            notes.append(_DARK_ZERO)
        filled = is_fill(dn, encoding) & holds_data(dn, encoding).all(axis=0)
        fills, counts = np.unique(dn[0][filled], return_counts=True)
        if fills.size:
            notes.append(equal_fill_note(fills[counts.argmax()]))
    return encoding, notes


def ordinary_nodata_note(values: Sequence[NDArray[np.generic]], nodata: float | None) -> list[str]:
    """Return a note where a declared no-data value is an ordinary value of the bands; else nothing.

    It is one if it lies amid the other values of a band, in pixels that have data in other bands; at the edge of a
    swath, where the bands end one after the other, it lies beyond the other values.

    Args:
        values: some DN (...) of each band.
        nodata: the declared no-data value.
    """
    if nodata is None or nodata <= 0 or len(values) < 2 or len({band.shape for band in values}) > 1:
        return []
    dn = np.stack([band.ravel() for band in values])
    is_nodata = dn == nodata
    in_some_bands = is_nodata.any(axis=0) & ~is_nodata.all(axis=0)
    share = float(in_some_bands.mean())
    affected = dn[(is_nodata & in_some_bands).any(axis=1)]
    below, above = (np.count_nonzero(beyond(affected, nodata), axis=1) for beyond in (np.less, np.greater))
    if share < _MIN_SPECKLED or not (np.minimum(below, above) > _AMID_OTHERS * (below + above)).any():
        return []
    return [
        f"its no-data value {nodata:g} is an ordinary value of its bands: {share:.1%} of its pixels have it in some "
        "bands alone, are no data by it and stay as they are; if it means none, take it off, with gdal_edit.py "
        "-unsetnodata"
    ]


def partly_empty_note(bands: Sequence[str], values: Sequence[NDArray[np.generic]], encoding: Encoding) -> list[str]:
    """Return a note where much of a band has no data while other bands have, as in a file that was not copied whole.

    Args:
        bands: of the scene.
        values: some DN (...) of each band; those of one resolution are of the same pixels.
        encoding: of the bands.
    """
    worst, most = "", 0.0
    for resolution in (10, 20, 60):
        group = [n for n, name in enumerate(bands) if BANDS[INDEX[name]].resolution == resolution]
        if len(group) < 2 or len({values[n].shape for n in group}) > 1:
            continue
        valid = holds_data(np.stack([values[n].reshape(1, -1) for n in group]), encoding.of_bands(group))
        in_some_bands = valid.any(axis=0) & ~valid.all(axis=0)
        share = float(in_some_bands.sum() / max(valid.any(axis=0).sum(), 1))
        if share > max(most, _MIN_PARTLY_EMPTY):
            most, worst = share, bands[group[int((~valid & in_some_bands).sum(axis=(1, 2)).argmax())]]
    if not worst:
        return []
    return [
        f"{most:.0%} of its pixels have no data in some bands (most in {worst}) and data in others; they are no data "
        f"and stay as they are: if {worst} should be whole, copy or download it again, or leave it out with --bands"
    ]


def _goes_on_to_zero(dn: NDArray[np.generic], encoding: Encoding) -> bool:
    """Whether 0 in some bands of (C, ...) is a measurement, as where +1000 was subtracted and clipped at 0.

    At the edge of a swath, where the bands end one after the other, a band that is 0 is as bright beside it as
    elsewhere.
    """
    in_some_bands = (dn == 0) & (dn != 0).any(axis=0)
    counts = np.count_nonzero(in_some_bands, axis=tuple(range(1, dn.ndim)))
    counted = dn[counts > _STRAY * in_some_bands.any(axis=0).sum()]
    dark = [band[(band > 0) & (band < _NEAR_ZERO * encoding.scale)] for band in counted]
    return bool(dark) and all(np.unique(band).size > _FEW for band in dark)
