"""Processing level and DN offset of a source: what it says itself, else what its name says, else the user."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from unclouded.bands import LEVELS
from unclouded.errors import InputError, UncloudedError, UnknownLevelError, UnknownNumbersError, UnknownOffsetError
from unclouded.reading.info import SceneInfo
from unclouded.reading.names.dates import acquired
from unclouded.reading.names.naming import OFFSET_FROM_BASELINE, OFFSET_FROM_DATE, ProductName
from unclouded.reading.radiometry.likeness import Likeness, taken_for
from unclouded.reading.radiometry.plausibility import AIR
from unclouded.reading.source import Source

_Date = TypeVar("_Date")
_Made = TypeVar("_Made")

NEW_OFFSET = -1000.0
"""DN to add before dividing, from processing baseline 04.00 on."""

NEGATIVE, NEGATIVE_SHARE = -0.01, 0.01
"""Reflectance below which not more than this share of any band lies: in 1 of 645 real images of baselines from 04.00 on
more does, but in 552 of 746 images without the offset when it is taken off all the same."""

SUSPICIOUS_DARK = 0.08
"""First percentile of the darkest band's reflectance from which on DN may carry +1000, which is 0.1: over-corrected
shadow is below that."""

_CIRRUS = "it has B10"

_NO_OFFSET = "offset assumed: 0"

OFFSET_AS_OF_OTHERS = f"{_NO_OFFSET}, as of its other dates; give --offset -1000 if DN carry +1000"

NO_CIRRUS = "left out: B10, which is no surface reflectance"

_REPROCESSED = 9000
"""Baselines from 90.00 on are of products that somebody made anew; they do not tell whether DN carry an offset."""


def without_cirrus(source: Source, asked: str | None) -> Source:
    """Leave B10 out where the scene is said to be L2A, by the user or its name: surface reflectance has no B10.

    Products such as HLS S30 carry it along, as it is at the top of the atmosphere.
    """
    if (asked or source.level) != "L2A":
        return source
    kept = source.only([band for band in source.bands if band != "B10"])
    said = [NO_CIRRUS] if "B10" in (source.bands if source.taken is None else source.taken) else []
    return replace(kept, others=kept.others - {"B10"}, notes=[*source.notes, *said])


def choose_level(
    source: str,
    known: str | None,
    bands: Collection[str],
    asked: str | None,
    dark: Callable[[], Mapping[str, float]] | None = None,
    alike: Likeness | None = None,
    *,
    needed: bool = True,
) -> tuple[str, list[str]]:
    """Decide the processing level: what the source says, B10 (L1C only), the `level` argument, else the pixels.

    Args:
        source: how errors call the scene.
        known: what its name or metadata says.
        bands: that are there, taken or not.
        asked: what the user says.
        dark: gives the first percentile of each band's reflectance; None where nobody may look at the pixels yet.
        alike: another image of the place, for what nothing else tells.
        needed: whether to look at the pixels, and to ask, where nothing says it; else it is "L2A".

    Returns:
        The level, and what was assumed.

    Raises:
        InputError: they contradict each other.
        UnknownLevelError: nothing says it.
    """
    if asked is not None and asked not in LEVELS:
        raise InputError(f"{source}: unknown level {asked!r}; accepted: {', '.join(LEVELS)}")
    reason = "its name or metadata says so"
    if known is None and "B10" in bands:
        known, reason = "L1C", _CIRRUS
    if known is None and asked is None and not needed:
        return "L2A", []
    in_doubt = needed and asked is None and (known is None or reason == _CIRRUS)
    lows = {band: low for band, low in (dark() if dark and in_doubt else {}).items() if band in AIR}
    below = next((band for band, low in lows.items() if low < AIR[band]), None)
    too_dark = below and f"its darkest {below} is {lows[below]:.3f}, and air alone is brighter in L1C"
    if reason == _CIRRUS and too_dark:
        raise InputError(f"{source}: {reason}, which is of L1C, but {too_dark}; give --level L2A, or --level L1C")
    if known is not None and asked is not None and asked != known:
        raise InputError(f"{source}: is {known} ({reason}), not {asked}; leave --level out or give --level {known}")
    if known is not None or asked is not None:
        return str(known or asked), []
    if too_dark:
        return "L2A", [f"level assumed: L2A ({too_dark}); give --level if it is not"]
    if alike is not None:
        return alike.level, [taken_for(f"{alike.level}, as the scene is")]
    found = "".join(f", and its darkest {band} of {low:.2f} is that of L1C or of haze" for band, low in lows.items())
    raise UnknownLevelError(
        f"{source}: nothing says whether it is L1C or L2A{found}; give --level L1C (top of the atmosphere) or "
        "--level L2A (surface reflectance), or have its name hold it where inputs differ"
    )


def understood(info_of: Callable[[_Date], SceneInfo], dates: Iterable[_Date]) -> Iterator[SceneInfo]:
    """What those dates of a place are that tell it; those under cloud, which do not, are as these.

    Args:
        info_of: finds what a date is, or raises an UncloudedError.
        dates: looked at one by one, as they are needed.
    """
    for date in dates:
        with suppress(UncloudedError):
            yield info_of(date)


def as_of_others(level: str) -> str:
    """What is said of a level that was found by other dates."""
    return f"level assumed: {level}, as of its other dates; give --level if it is not"


def days_without_offset(dates: Iterable[SceneInfo]) -> list[str]:
    """The days of those dates, as 20180510, that say nothing of an offset and by their pixels carry none."""
    of_pixels = (date for date in dates if any(note.startswith(_NO_OFFSET) for note in date.notes))
    return [f"{time:%Y%m%d}" for date in of_pixels if (time := acquired(date)) is not None]


def stand_for(days: Sequence[str], when: datetime | None) -> bool:
    """Whether dates of a place that carry no offset by their pixels tell that of one under cloud, which tells nothing.

    They do as dates that say as little of themselves, and so were made in one way: either all without an offset, or as
    products come, which carry one from a day on. So dates before that day tell nothing of one after it.

    Args:
        days: of `days_without_offset`.
        when: the other was taken.
    """
    if when is None or not days:
        return False
    return max(days) >= OFFSET_FROM_DATE or f"{when:%Y%m%d}" < OFFSET_FROM_DATE


def with_answers(
    make: Callable[[str | None, float | None, tuple[str, ...]], _Made],
    level: str | None,
    offset: float | None,
    level_of_others: Callable[[], str | None],
    others_stand: Callable[[], bool],
) -> _Made:
    """Understand a date of several, of which others tell what it does not tell itself, being under cloud.

    Args:
        make: of a level, an offset and notes on them; raises an error of those below.
        level: that the user gives.
        offset: likewise.
        level_of_others: the level that other dates tell, if they do.
        others_stand: see `stand_for`.

    Raises:
        UnknownOffsetError: nothing tells the offset.
        UnknownLevelError: nothing tells the level.
    """
    notes: list[str] = []
    while True:
        try:
            return make(level, offset, tuple(notes))
        except UnknownOffsetError:
            if offset is not None or not others_stand():
                raise
            offset = 0.0
            notes.append(OFFSET_AS_OF_OTHERS)
        except UnknownLevelError:
            found = None if level is not None else level_of_others()
            if found is None:
                raise
            level = found
            notes.append(as_of_others(found))


def offset_of_baseline(baseline: int | None) -> float | None:
    """Return the offset of a processing baseline (509 for 05.09), or None when the baseline does not tell."""
    if baseline is None or baseline >= _REPROCESSED:
        return None
    return NEW_OFFSET if baseline >= OFFSET_FROM_BASELINE else 0.0


def offset_of_name(source: str, name: ProductName) -> float | None:
    """Return the offset that a product's name tells, or None for a name that says nothing about it.

    InputError for a name which says that there may be an offset, but not whether there is.
    """
    if name.bigearthnet or name.never_offset:
        return 0.0
    known = offset_of_baseline(name.baseline)
    if known is not None:
        return known
    if name.baseline is not None:
        raise unknown_offset(
            source, f"its name has baseline N{name.baseline:04}, which does not tell whether DN carry +1000"
        )
    if name.date is not None and name.date >= OFFSET_FROM_DATE:
        raise unknown_offset(source, f"its name has the date {name.date} and no baseline (Nxxxx)")
    return None


def offset_of_sample(source: str, reflectance: Sequence[NDArray[np.float64]], scale: float) -> tuple[float, list[str]]:
    """Decide for a scene that says nothing, by the low end of its bands: cloud lifts all but the darkest of them.

    Args:
        source: how errors call the scene.
        reflectance: some of each band, no offset added.
        scale: DN per 1.0 reflectance; where it is not 10000, the +1000 of products became a tenth of it.

    Returns:
        0 and a note.

    Raises:
        InputError: all bands are so bright that their DN may carry +1000.
    """
    darkest, offset = darkest_of_all(reflectance), offset_at(scale)
    if darkest >= SUSPICIOUS_DARK:
        found = f"nothing in it says so, and its darkest DN are near {darkest * scale:.0f}"
        said = unknown_offset(source, found, scale)
        raise UnknownOffsetError(f"{said}; where inputs differ, have its name hold that of its product (…_N0510_…)")
    return 0.0, [
        f"{_NO_OFFSET} (nothing in the file says that DN carry +{-offset:g}); give --offset {offset:g} if they do"
    ]


def darkest_of_all(reflectance: Sequence[NDArray[np.float64]]) -> float:
    """First percentile of the darkest band; 0 where there is no data."""
    return min((float(np.percentile(band, 1)) for band in reflectance if band.size), default=0.0)


def offset_at(scale: float) -> float:
    """What takes the +1000 of products off DN that were made anew with another scale."""
    return NEW_OFFSET / 10_000 * scale


def check_offset(
    source: str, bands: Sequence[str], reflectance: Sequence[NDArray[np.float64]], offsets: Sequence[float]
) -> None:
    """Refuse an offset from a name, tag or catalogue under which too much of a band would be negative.

    Archives that remove the offset often keep the product's name, and catalogues have listed it for such files.

    Args:
        source: how errors call the scene.
        bands: of the scene.
        reflectance: some of each band, the offsets added.
        offsets: DN added to each.

    Raises:
        InputError: naming the band.
    """
    for band, values, offset in zip(bands, reflectance, offsets, strict=True):
        if offset < 0 and (share := negative_share(values)) >= NEGATIVE_SHARE:
            raise unknown_offset(
                source,
                f"its name or metadata means {offset:g}, but {share:.0%} of {band} would then lie below "
                f"reflectance {NEGATIVE:g}",
            )


def negative_note(bands: Sequence[str], reflectance: Sequence[NDArray[np.float64]], offset: float) -> list[str]:
    """Return a note where an offset that the user gives makes too much of a band negative; else nothing.

    Args:
        bands: of the scene.
        reflectance: some of each band, the offset added.
        offset: DN added to each.
    """
    shares = {band: negative_share(values) for band, values in zip(bands, reflectance, strict=True)}
    worst = max(shares, key=shares.__getitem__)
    if offset >= 0 or shares[worst] < NEGATIVE_SHARE:
        return []
    return [
        f"with the offset {offset:g}, {shares[worst]:.0%} of {worst} lies below reflectance {NEGATIVE:g}; "
        "--offset 0 is right where it was removed before"
    ]


def negative_share(reflectance: NDArray[np.float64]) -> float:
    """Share of some reflectance of a band that is too far below 0 to be real."""
    return float(np.mean(reflectance < NEGATIVE)) if reflectance.size else 0.0


def unknown_offset(source: str, found: str, scale: float = 10_000) -> UnknownNumbersError:
    """Make the error for an offset that cannot be known."""
    return UnknownNumbersError(
        f"{source}: the DN offset cannot be known: {found}; give --offset {offset_at(scale):g} "
        "(processing baseline 04.00 or later) or --offset 0 (earlier, or already removed)"
    )
