"""Processing level of a source: by its metadata, else its name, else the user, else its pixels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace

from unclouded.bands import LEVELS
from unclouded.errors import InputError, UnknownLevelError
from unclouded.reading.radiometry.fallback import FallbackRadiometry, assumed_note
from unclouded.reading.radiometry.plausibility import PATH_REFLECTANCE
from unclouded.reading.source import Source

NO_CIRRUS = "left out: B10, which is no surface reflectance"

_CIRRUS = "it has B10"


def without_cirrus(source: Source, requested: str | None) -> Source:
    """Leave B10 out of a scene that the user or its name says is L2A: surface reflectance has no B10.

    Products such as HLS S30 hold B10 at the top of the atmosphere beside surface reflectance.
    """
    if (requested or source.level) != "L2A":
        return source
    kept = source.only([band for band in source.bands if band != "B10"])
    notes = [NO_CIRRUS] if "B10" in (source.bands if source.taken is None else source.taken) else []
    return replace(kept, others=kept.others - {"B10"}, notes=[*source.notes, *notes])


def choose_level(
    source: str,
    known: str | None,
    bands: Collection[str],
    requested: str | None,
    first_percentiles: Callable[[], Mapping[str, float]] | None = None,
    fallback: FallbackRadiometry | None = None,
    *,
    needed: bool = True,
) -> tuple[str, list[str]]:
    """Decide the processing level: by the source, by B10 (L1C only), by the user, else by the pixels.

    Args:
        source: name of the scene, for errors.
        known: level by its name or metadata.
        bands: of the source, taken or not.
        requested: the user's level.
        first_percentiles: gives the first percentile of each band's reflectance; None if pixels must not be read yet.
        fallback: radiometry of another image of the place, for what is not known otherwise.
        needed: whether an unknown level is looked for in the pixels, and then an error; else it is "L2A".

    Returns:
        The level, and notes on what was assumed.

    Raises:
        InputError: the level is none of `LEVELS`, or two of these contradict each other.
        UnknownLevelError: nothing tells the level.
    """
    if requested is not None and requested not in LEVELS:
        raise InputError(f"{source}: unknown level {requested!r}; accepted: {', '.join(LEVELS)}")
    reason = "its name or metadata says so"
    if known is None and "B10" in bands:
        known, reason = "L1C", _CIRRUS
    if known is None and requested is None and not needed:
        return "L2A", []
    unknown = needed and requested is None and (known is None or reason == _CIRRUS)
    percentiles = first_percentiles() if first_percentiles and unknown else {}
    lows = {band: low for band, low in percentiles.items() if band in PATH_REFLECTANCE}
    below = next((band for band, low in lows.items() if low < PATH_REFLECTANCE[band]), None)
    too_dark = below and f"its darkest {below} is {lows[below]:.3f}, and air alone is brighter in L1C"
    if reason == _CIRRUS and too_dark:
        raise InputError(f"{source}: {reason}, which is of L1C, but {too_dark}; give --level L2A, or --level L1C")
    if known is not None and requested is not None and requested != known:
        raise InputError(f"{source}: is {known} ({reason}), not {requested}; leave --level out or give --level {known}")
    if known is not None or requested is not None:
        return str(known or requested), []
    if too_dark:
        return "L2A", [f"level assumed: L2A ({too_dark}); give --level if it is not"]
    if fallback is not None:
        return fallback.level, [assumed_note(f"{fallback.level}, as the scene is")]
    found = "".join(f", and its darkest {band} of {low:.2f} is that of L1C or of haze" for band, low in lows.items())
    raise UnknownLevelError(
        f"{source}: nothing says whether it is L1C or L2A{found}; give --level L1C (top of the atmosphere) or "
        "--level L2A (surface reflectance), or have its name hold it where inputs differ"
    )
