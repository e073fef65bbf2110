"""Processing level and DN offset of a source: what it says itself, else what its name says, else the user."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import InputError
from unclouded.reading.naming import OFFSET_FROM_BASELINE, OFFSET_FROM_DATE, ProductName
from unclouded.reflectance import Encoding

LEVELS: tuple[str, ...] = ("L1C", "L2A")
NEW_OFFSET = -1000.0
"""DN to add before dividing, from processing baseline 04.00 on."""

_LOWEST_MEDIAN = -0.03
"""Reflectance that no band of a scene has in the middle: negative values come from noise and deep shadow only."""

_REPROCESSED = 9999
"""Baseline of a product that its user made; it does not tell whether DN carry an offset."""


def choose_level(source: str, known: str | None, bands: Sequence[str], asked: str | None) -> tuple[str, list[str]]:
    """Decide the processing level from what the source says, its bands (only L1C has B10) and the `level` argument.

    Returns the level and what was assumed. InputError when they contradict each other.
    """
    if asked is not None and asked not in LEVELS:
        raise InputError(f"{source}: unknown level {asked!r}; accepted: {', '.join(LEVELS)}")
    if known == "L2A" and "B10" in bands:
        raise InputError(f"{source}: has B10 but is said to be L2A, which has none; check the names of its bands")
    reason = "its name or metadata says so"
    if known is None and "B10" in bands:
        known, reason = "L1C", "it has B10"
    if known is None:
        return (
            (asked, [])
            if asked
            else ("L2A", ["level assumed: L2A (surface reflectance); give --level L1C if it is not"])
        )
    if asked is not None and asked != known:
        raise InputError(f"{source}: is {known} ({reason}), not {asked}; leave --level out or give --level {known}")
    return known, []


def offset_of_baseline(baseline: int | None) -> float | None:
    """Return the offset of a processing baseline (509 for 05.09), or None when the baseline does not tell."""
    if baseline is None or baseline == _REPROCESSED:
        return None
    return NEW_OFFSET if baseline >= OFFSET_FROM_BASELINE else 0.0


def offset_of_name(source: str, name: ProductName) -> float | None:
    """Return the offset that a product's name tells, or None for a name that says nothing about it.

    InputError for a name which says that there may be an offset, but not whether there is.
    """
    if name.bigearthnet:
        return 0.0
    known = offset_of_baseline(name.baseline)
    if known is not None:
        return known
    if name.baseline == _REPROCESSED:
        raise unknown_offset(source, "its name has baseline N9999, which does not tell whether DN carry +1000")
    if name.date is not None and name.date >= OFFSET_FROM_DATE:
        raise unknown_offset(source, f"its name has the date {name.date} and no baseline (Nxxxx)")
    return None


def offset_of_sample(
    source: str, sample: Sequence[NDArray[np.generic]], nodata: float | None
) -> tuple[float, list[str]]:
    """Decide for a file that says nothing, from some DN of each band: 0 and a note, or InputError if all are high."""
    lows = []
    for band in sample:
        data = band[np.isfinite(band) & (band != nodata)] if nodata is not None else band[np.isfinite(band)]
        if data.size:
            lows.append(float(np.percentile(data, 1)))
    if lows and min(lows) >= -NEW_OFFSET:
        raise unknown_offset(source, f"nothing in it says so, and its darkest DN are near {min(lows):.0f}")
    return 0.0, ["offset assumed: 0 (nothing in the file says that DN carry +1000); give --offset -1000 if they do"]


def check_offset(source: str, band: str, sample: NDArray[np.generic], offset: float, encoding: Encoding) -> None:
    """Refuse an offset from a name or catalogue under which half of a band's DN `sample` would be far below zero.

    Archives that remove the offset often keep the product's name, and catalogues have listed it for such files.
    """
    data = sample[np.isfinite(sample)]
    data = data if encoding.nodata is None else data[data != encoding.nodata]
    if not data.size:
        return
    middle = (float(np.median(data)) + offset) / encoding.scale
    if middle < _LOWEST_MEDIAN:
        found = (
            f"its name or metadata means {offset:g}, but half of {band} would then lie below reflectance {middle:.2f}"
        )
        raise unknown_offset(source, found)


def unknown_offset(source: str, found: str) -> InputError:
    """Make the error for an offset that cannot be known."""
    return InputError(
        f"{source}: the DN offset cannot be known: {found}; "
        "give --offset -1000 (processing baseline 04.00 or later) or --offset 0 (earlier, or already removed)"
    )
