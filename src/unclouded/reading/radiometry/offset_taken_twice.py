"""Signs of an offset that was taken off in vain, or twice: numbers that wrapped, were cut off at 0, or are negative."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import InputError, UnknownNumbersError
from unclouded.reading.radiometry.odd_pixels import HALF
from unclouded.reading.radiometry.offsets import NEGATIVE, NEGATIVE_SHARE, negative_share, offset_at
from unclouded.reading.radiometry.plausibility import data_of
from unclouded.reflectance import Encoding

_WRAPPED = 65_536 - 1_500
"""What 16 bits make of -1,500: DN from it on are those of dark pixels from which an offset was taken."""

_WRAPPED_SHARE = 1e-4

_HOLED = 0.05
"""Share of the pixels that are no data in some bands alone: of 1,470 real images none has more than 0.022."""

_VISIBLE = ("B02", "B03", "B04")
_CUT_SHARE = 0.2
"""Share of each visible band that has its least value: of 1,470 real images with B02, B03 and B04 none has so much."""


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
    wrapped, between = int((dn >= _WRAPPED).sum()), int(((dn >= HALF) & (dn < _WRAPPED)).sum())
    if wrapped > max(_WRAPPED_SHARE * dn.size, 10 * between):
        raise InputError(
            f"{name}: {wrapped / dn.size:.1%} of its DN lie near 65535 and hardly any between {HALF} and these: an "
            "offset was taken off numbers that cannot be negative, so that dark pixels became the brightest; give the "
            "DN from before, with --offset -1000, or remove it again, clipped at 0"
        )


def refuse_offset_taken_twice(
    name: str, bands: Sequence[str], sample: Sequence[NDArray[np.generic]], encoding: Encoding
) -> None:
    """Refuse values of which nothing says that an offset is to be taken off, and that look as if one had been in vain.

    Args:
        name: how errors call the scene.
        bands: of the scene.
        sample: some DN of each band.
        encoding: scale and no-data that were found; its offsets are 0.

    Raises:
        UnknownNumbersError: saying what is wrong, and what to do.
    """
    _refuse_holed(name, bands, sample, encoding.nodata)
    _refuse_negative(name, bands, data_of(sample, encoding), encoding.scale)


def _refuse_holed(name: str, bands: Sequence[str], sample: Sequence[NDArray[np.generic]], nodata: float | None) -> None:
    """Refuse unsigned DN of which many pixels are 0, which is no data, in some bands and not in others.

    Raises:
        UnknownNumbersError: naming the band that has the most.
    """
    if nodata != 0 or len(sample) < 2 or len({band.shape for band in sample}) > 1:
        return
    empty = np.stack([band == 0 for band in sample])
    some = empty.any(axis=0) & ~empty.all(axis=0)
    with_data = int((~empty.all(axis=0)).sum())
    if with_data and (share := some.sum() / with_data) > _HOLED:
        worst = int((empty & some).reshape(len(sample), -1).sum(axis=1).argmax())
        raise UnknownNumbersError(
            f"{name}: {share:.0%} of its pixels are 0, which is no data, in some bands (most in {bands[worst]}) and "
            "not in others, as where an offset was taken off DN without one and what became negative was cut off; "
            "give the DN from before, or --offset 0 if these are right"
        )


def _refuse_negative(
    source: str, bands: Sequence[str], reflectance: Sequence[NDArray[np.float64]], scale: float
) -> None:
    """Refuse values too many of which are negative, or cut off where they would be.

    Libraries take off what a catalogue lists for files that it has taken off already, and so do users. What became
    negative may have been cut off: then much of each visible band has one and the same value, its least. Of 1,470 real
    images 1 is asked about, of 579 at the ground's level that are clear on a fifth all are where 0.1 is taken off once
    more, and 495 where that was cut off at DN 1.

    Args:
        source: how errors call the scene.
        bands: of the scene.
        reflectance: some of each band, as it is.
        scale: DN per 1.0 reflectance.

    Raises:
        UnknownNumbersError: too much of a band is negative, or has the least value of all visible ones.
    """
    data = {band: values for band, values in zip(bands, reflectance, strict=True) if values.size}
    below = {band: negative_share(values) for band, values in data.items()}
    back = -offset_at(scale)
    taken = "an offset was taken off that was not there, or twice"
    if below and below[worst := max(below, key=below.__getitem__)] >= NEGATIVE_SHARE:
        raise UnknownNumbersError(
            f"{source}: {below[worst]:.0%} of {worst} lies below reflectance {NEGATIVE:g}, as where {taken}; give "
            f"--offset {back:g} to put it back, or --offset 0 if the values are right"
        )
    least = [float(np.mean(data[band] == data[band].min())) for band in _VISIBLE if band in data]
    if (
        len(least) > 1
        and min(least) >= _CUT_SHARE
        and max(data[band].min() for band in _VISIBLE if band in data) <= 0.001
    ):
        raise UnknownNumbersError(
            f"{source}: at least {min(least):.0%} of each visible band is at its least value, as where {taken}, and "
            "what became negative was cut off; give the values from before, or --offset 0 if these are right"
        )
