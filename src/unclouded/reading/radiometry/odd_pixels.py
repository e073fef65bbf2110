"""What the pixels of a scene show of how it was made: holes that nobody declares, empty bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import InputError

HALF = 32_768
"""No DN of 10,000 per 1.0 is above it: cloud tops and glint reach 28,000."""


_SEVERAL = 3
"""Bands of which not all reach 0 and 1 by themselves."""


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
    if not full.any() or any((band[~full] >= HALF).any() for band in sample):
        return list(sample), False
    return [band[~full] for band in sample], True


def refuse_stretched(name: str, dtype: np.dtype[Any], sample: Sequence[NDArray[np.generic]]) -> None:
    """Refuse floats of which each band runs from 0 to 1, as no reflectance does.

    Raises:
        InputError: saying what was done to them.
    """
    if dtype.kind != "f" or len(sample) < _SEVERAL:
        return
    bands = [band[np.isfinite(band)] for band in sample]
    if all(band.size and band.min() == 0 and band.max() == 1 for band in bands):
        raise InputError(
            f"{name}: each of its bands runs from 0 to 1, as where they were stretched one by one, which leaves no "
            "reflectance; give the values from before, or --scale 1 if these are right"
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
