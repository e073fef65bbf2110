"""What the pixels of a scene show of how it was made: holes that nobody declares, wrapped numbers, empty bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import InputError

_HALF = 32_768
"""No DN of 10,000 per 1.0 is above it: cloud tops and glint reach 28,000."""

_WRAPPED = 65_536 - 1_500
"""What 16 bits make of -1,500: DN from it on are those of dark pixels from which an offset was taken."""

_WRAPPED_SHARE = 1e-4

_HOLED = 0.05
"""Share of the pixels that are no data in some bands alone: of 1,470 real images none has more than 0.022."""


def without_largest(
    dtype: np.dtype[Any], sample: Sequence[NDArray[np.generic]], nodata: float | None
) -> tuple[list[NDArray[np.generic]], bool]:
    """Leave out the pixels of a sample (one array a band) that hold 65535 in all bands, a usual filling of 16 bits.

    Where there are other DN in the upper half, it may be white: nothing is left out then.

    Returns:
        The rest of each band, and whether there were such pixels.
    """
    largest = np.iinfo(np.uint16).max
    if dtype != np.uint16 or nodata == largest or len(sample) < 2 or len({band.shape for band in sample}) > 1:
        return list(sample), False
    full = np.all([band == largest for band in sample], axis=0)
    if not full.any() or any((band[~full] >= _HALF).any() for band in sample):
        return list(sample), False
    return [band[~full] for band in sample], True


def without_zeros(sample: Sequence[NDArray[np.generic]]) -> list[NDArray[np.generic]]:
    """Leave out pixels that are 0 in all of the bands, which are holes and no ground."""
    if len({band.shape for band in sample}) > 1:
        return list(sample)
    held = np.any([band != 0 for band in sample], axis=0)
    return [band[held] for band in sample]


def refuse_wrapped(
    name: str, dtype: np.dtype[Any], sample: Sequence[NDArray[np.generic]], nodata: float | None
) -> None:
    """Refuse unsigned DN that an offset was taken off without a care: what would be negative became the brightest.

    Raises:
        InputError: DN lie near 65536 and hardly any in the upper half below them, as they do in no real image.
    """
    if dtype != np.uint16 or not sample:
        return
    dn = np.concatenate([band.ravel() for band in sample])
    dn = dn[(dn != nodata) & (dn != np.iinfo(dtype).max)]
    wrapped, between = int((dn >= _WRAPPED).sum()), int(((dn >= _HALF) & (dn < _WRAPPED)).sum())
    if wrapped > max(_WRAPPED_SHARE * dn.size, 10 * between):
        raise InputError(
            f"{name}: {wrapped / dn.size:.1%} of its DN lie near 65535 and hardly any between {_HALF} and these: an "
            "offset was taken off numbers that cannot be negative, so that dark pixels became the brightest; give the "
            "DN from before, with --offset -1000, or take it off anew with 0 as the least"
        )


def refuse_holed(name: str, bands: Sequence[str], sample: Sequence[NDArray[np.generic]], nodata: float | None) -> None:
    """Refuse unsigned DN of which many pixels are 0, which is no data, in some bands and not in others.

    Raises:
        InputError: naming the band that has the most.
    """
    if nodata != 0 or len(sample) < 2 or len({band.shape for band in sample}) > 1:
        return
    empty = np.stack([band == 0 for band in sample])
    some = empty.any(axis=0) & ~empty.all(axis=0)
    there = int((~empty.all(axis=0)).sum())
    if there and (share := some.sum() / there) > _HOLED:
        worst = int((empty & some).reshape(len(sample), -1).sum(axis=1).argmax())
        raise InputError(
            f"{name}: {share:.0%} of its pixels are 0, which is no data, in some bands (most in {bands[worst]}) and "
            "not in others, as where an offset was taken off DN without one and what became negative was cut off; "
            "give the DN from before, or --offset 0 if these are right"
        )


def refuse_empty(name: str, bands: Sequence[str], reflectance: Sequence[NDArray[np.float64]]) -> None:
    """Refuse bands without any data beside others with some: a pixel is one of data if it is in all of them.

    Raises:
        InputError: naming the bands, and how to leave them out.
    """
    empty = [band for band, values in zip(bands, reflectance, strict=True) if not values.size]
    others = [band for band in bands if band not in empty]
    if empty and others:
        of_l2a = "give --level L2A, which has none, or " if empty == ["B10"] else ""
        raise InputError(
            f"{name}: {', '.join(empty)} {'holds' if len(empty) == 1 else 'hold'} no data where it was looked at, and "
            f"pixels are needed that have data in all bands; {of_l2a}leave out with --bands {','.join(others)}"
        )
