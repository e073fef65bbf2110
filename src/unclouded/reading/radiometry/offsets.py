"""Offset of a source's DN: by its name or processing baseline, checked against its pixels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import InputError, UnknownOffsetError, UnknownRadiometryError
from unclouded.reading.names.product_name import OFFSET_FROM_BASELINE, OFFSET_FROM_DATE, ProductName

ADD_OFFSET = -1000.0
"""DN to add before dividing, from processing baseline 04.00 on (products' RADIO_ADD_OFFSET and BOA_ADD_OFFSET)."""

NEGATIVE, NEGATIVE_SHARE = -0.01, 0.01
"""Reflectance, and the share of a band that may lie below it: more does in 1 of 645 real images of baselines from 04.00
on, and in 552 of 746 images without an offset if one is subtracted all the same."""

SUSPICIOUS_DARK = 0.08
"""First percentile of the darkest band's reflectance from which on DN may carry +1000 (0.1): over-corrected shadow lies
below that."""

NO_OFFSET = "offset assumed: 0"

_SMALLEST, _LARGEST = 1e-4, 1.0
"""Limits, in reflectance, of an offset that the user gives: beyond them it is in another unit than the values."""

_REPROCESSED = 9000
"""Baselines from 90.00 on are of reprocessed products, whose DN carry an offset or not."""


def offset_of_baseline(baseline: int | None) -> float | None:
    """Return the offset of a processing baseline (509 for 05.09), or None if it is not known by the baseline."""
    if baseline is None or baseline >= _REPROCESSED:
        return None
    return ADD_OFFSET if baseline >= OFFSET_FROM_BASELINE else 0.0


def offset_of_name(source: str, name: ProductName) -> float | None:
    """Return the offset that follows from a product's name, or None if none does.

    Raises:
        UnknownRadiometryError: there may be an offset by the date or the baseline in the name.
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
    """Decide for a scene that declares nothing, by its darkest band, which cloud brightens least.

    Args:
        source: name of the scene, for errors.
        reflectance: some of each band, no offset added.
        scale: DN per 1.0 reflectance; if it is not 10000, the +1000 of products became a tenth of it.

    Returns:
        0 and a note.

    Raises:
        UnknownOffsetError: all bands are so bright that their DN may carry +1000.
    """
    darkest, offset = darkest_percentile(reflectance), rescaled_offset(scale)
    if darkest >= SUSPICIOUS_DARK:
        found = f"nothing in it says so, and its darkest DN are near {darkest * scale:.0f}"
        error = unknown_offset(source, found, scale)
        raise UnknownOffsetError(f"{error}; where inputs differ, have its name hold that of its product (…_N0510_…)")
    return 0.0, [
        f"{NO_OFFSET} (nothing in the file says that DN carry +{-offset:g}); give --offset {offset:g} if they do"
    ]


def darkest_percentile(reflectance: Sequence[NDArray[np.float64]]) -> float:
    """First percentile of the darkest band; 0 without data."""
    return min((float(np.percentile(band, 1)) for band in reflectance if band.size), default=0.0)


def rescaled_offset(scale: float) -> float:
    """The offset of products at another scale than 10000, in DN."""
    return ADD_OFFSET / 10_000 * scale


def check_offset(
    source: str, bands: Sequence[str], reflectance: Sequence[NDArray[np.float64]], offsets: Sequence[float]
) -> None:
    """Refuse an offset from a name, tag or catalogue under which too much of a band would be negative.

    Archives that remove the offset often keep the product's name, and catalogues have listed it for such files.

    Args:
        source: name of the scene, for errors.
        bands: of the scene.
        reflectance: some of each band, the offsets added.
        offsets: DN added to each band.

    Raises:
        UnknownRadiometryError: naming the band.
    """
    for band, values, offset in zip(bands, reflectance, offsets, strict=True):
        if offset < 0 and (share := negative_share(values)) >= NEGATIVE_SHARE:
            raise unknown_offset(
                source,
                f"its name or metadata means {offset:g}, but {share:.0%} of {band} would then lie below "
                f"reflectance {NEGATIVE:g}",
            )


def refuse_unit(source: str, offset: float | None, scale: float) -> None:
    """Refuse an offset that the user gives in reflectance for DN, or the other way round.

    Raises:
        InputError: naming the offset that may be meant.
    """
    if not offset or _SMALLEST <= abs(offset) / scale <= _LARGEST:
        return
    in_their_unit = (offset * scale, offset / 10_000 * scale)
    meant = [value for value in in_their_unit if _SMALLEST <= abs(value) / scale <= _LARGEST]
    advice = f"--offset {meant[0]:g}, if that is meant" if meant else f"--offset {rescaled_offset(scale):g}"
    raise InputError(
        f"{source}: --offset {offset:g} is not in the unit of its values, of which {scale:g} are 1.0 of reflectance; "
        f"give {advice}, or --offset 0"
    )


def refuse_declared_unit(source: str, offsets: Sequence[float], scale: float) -> None:
    """Refuse an offset of a tag that is in another unit than the values, as -0.1 without a scale beside DN.

    Raises:
        UnknownRadiometryError: naming it.
    """
    if wrong := [offset for offset in offsets if offset and abs(offset) / scale < _SMALLEST]:
        found = f"its tag says {wrong[0]:g}, which is not in the unit of its values, of which {scale:g} are 1.0"
        raise unknown_offset(source, found, scale)


def overruled_note(declared: Sequence[float] | None, offset: float | None) -> list[str]:
    """Return a note where an offset that the user gives differs from those declared; else nothing."""
    if offset is None or declared is None or set(declared) == {offset}:
        return []
    values = ", ".join(f"{value:g}" for value in sorted(set(declared)))
    return [f"--offset {offset:g} is taken, though its name or metadata says {values}"]


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


def bright_note(reflectance: Sequence[NDArray[np.float64]], offset: float) -> list[str]:
    """Return a note where no pixel is dark with the user's offset, as with the wrong sign; else nothing.

    Args:
        reflectance: some of each band, the offset added.
        offset: DN added to each.
    """
    darkest = darkest_percentile(reflectance)
    if offset <= 0 or darkest < SUSPICIOUS_DARK:
        return []
    return [
        f"with the offset {offset:g} nothing in it is darker than reflectance {darkest:.2g}; --offset is "
        f"what is added: {-offset:g} takes off what DN carry"
    ]


def refuse_bright(source: str, reflectance: Sequence[NDArray[np.float64]], offsets: Sequence[float]) -> None:
    """Refuse an offset from a tag or catalogue with which no pixel is dark, as with the wrong sign.

    Args:
        source: name of the scene, for errors.
        reflectance: some of each band, the offsets added.
        offsets: DN added to each.

    Raises:
        UnknownRadiometryError: naming it.
    """
    darkest = darkest_percentile(reflectance)
    if max(offsets) > 0 and darkest >= SUSPICIOUS_DARK:
        found = f"its metadata adds {max(offsets):g}, and nothing in it would then be darker than {darkest:.2g}"
        raise unknown_offset(source, found)


def negative_share(reflectance: NDArray[np.float64]) -> float:
    """Share of a band's reflectance that lies below `NEGATIVE`."""
    return float(np.mean(reflectance < NEGATIVE)) if reflectance.size else 0.0


def unknown_offset(source: str, found: str, scale: float = 10_000) -> UnknownRadiometryError:
    """Make the error for an offset that cannot be known."""
    return UnknownRadiometryError(
        f"{source}: the DN offset cannot be known: {found}; give --offset {rescaled_offset(scale):g} "
        "(processing baseline 04.00 or later) or --offset 0 (earlier, or already removed)"
    )
