"""The DN of a scene that mean no data: as declared, else as its pixels show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.reading.radiometry.odd_pixels import no_data_in_all
from unclouded.reflectance import LOWEST, Encoding, holds_data, is_hole

_DARK_ZERO = "0 in some of the bands is taken for a number, as theirs go on down to it; in all of them it is no data"

_LITTLE, _FEW = 2000, 20
"""DN down to minus the first, of which there are more than the second in a band, are numbers and no fillings."""

_NEAR_ZERO, _STRAY = 0.02, 0.05
"""The values of a band go on to 0 if it has more than `_FEW` DN below the first reflectance. Bands that are 0 in no
more than the second share of the pixels that are so in some band do not count."""


def declared_nodata(declared: float | None, dtype: np.dtype[Any]) -> float | None:
    """The no-data DN; integers without one that their type holds have 0, as Sentinel-2 products."""
    if dtype.kind not in "iu":
        return None if declared is None else float(declared)
    fits = declared is not None and np.iinfo(dtype).min <= declared <= np.iinfo(dtype).max
    return float(declared) if declared is not None and fits else 0.0


def goes_below_zero(dtype: np.dtype[Any], values: Sequence[NDArray[np.generic]]) -> bool:
    """Whether integers go on below 0 as above, so that 0 is a number like others and not that of no data."""
    if dtype.kind != "i":
        return False
    dn = (band.astype(np.int64) for band in values)
    return any(np.unique(band[(band < 0) & (band > -_LITTLE)]).size > _FEW for band in dn)


def undeclared_nodata(
    encoding: Encoding, dtype: np.dtype[Any], values: Sequence[NDArray[np.generic]], declared: float | None
) -> tuple[Encoding, list[str]]:
    """Find the DN by which a scene without a no-data tag marks its holes, to be the result's tag, and say so."""
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
            # Where it is declared it stays the result's tag, for the holes.
            encoding = replace(encoding, together=True) if declared == 0 else replace(encoding, nodata=None)
            notes.append(_DARK_ZERO)
        holes = is_hole(dn, encoding) & holds_data(dn, encoding).all(axis=0)
        fills, counts = np.unique(dn[0][holes], return_counts=True)
        if fills.size:
            notes.append(no_data_in_all(fills[counts.argmax()]))
    return encoding, notes


def _goes_on_to_zero(dn: NDArray[np.generic], encoding: Encoding) -> bool:
    """Whether 0 in some bands of (C, ...) is a number, as where +1000 was taken off and cut off at 0.

    At the edge of a swath, where bands end one after the other, theirs are as bright beside it as elsewhere.
    """
    alone = (dn == 0) & (dn != 0).any(axis=0)
    counts = np.count_nonzero(alone, axis=tuple(range(1, dn.ndim)))
    of_most = dn[counts > _STRAY * alone.any(axis=0).sum()]
    dark = [band[(band > 0) & (band < _NEAR_ZERO * encoding.scale)] for band in of_most]
    return bool(dark) and all(np.unique(band).size > _FEW for band in dark)
