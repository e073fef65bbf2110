"""Signs of an offset that was removed though there was none, or twice: wrapped, clipped at 0, or negative values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.bands import VISIBLE
from unclouded.errors import InputError, UnknownRadiometryError
from unclouded.reading.radiometry.offsets import NEGATIVE, NEGATIVE_SHARE, negative_share, rescaled_offset
from unclouded.reading.radiometry.plausibility import HIGHEST_USUAL_DN, data_of
from unclouded.reflectance import Encoding

_WRAPPED = 65_536 - 1_500
"""-1,500 in uint16: DN from this on are those of dark pixels from which an offset was subtracted."""

_WRAPPED_SHARE = 1e-4

_MAX_PARTLY_EMPTY = 0.05
"""Share of the pixels that are no data in some bands only: of 1,470 real images none has more than 0.022."""

_CLIPPED_SHARE = 0.2
"""Share of each visible band that has its lowest value: of 1,470 real images with B02, B03 and B04 none has as much."""


def refuse_wraparound(
    name: str, dtype: np.dtype[Any], sample: Sequence[NDArray[np.generic]], nodata: float | None
) -> None:
    """Refuse unsigned DN from which an offset was subtracted without clipping: negative values wrapped around.

    Raises:
        InputError: DN lie near 65536 and hardly any in the upper half below them, as they do in no real image.
    """
    if dtype != np.uint16 or not sample:
        return
    dn = np.concatenate([band.ravel() for band in sample])
    dn = dn[(dn != nodata) & (dn != np.iinfo(dtype).max)]
    wrapped, between = int((dn >= _WRAPPED).sum()), int(((dn >= HIGHEST_USUAL_DN) & (dn < _WRAPPED)).sum())
    if wrapped > max(_WRAPPED_SHARE * dn.size, 10 * between):
        raise InputError(
            f"{name}: {wrapped / dn.size:.1%} of its DN lie near 65535 and hardly any between {HIGHEST_USUAL_DN} and "
            "these: an offset was taken off numbers that cannot be negative, so that dark pixels became the brightest; "
            "give the DN from before, with --offset -1000, or remove it again, clipped at 0"
        )


def refuse_offset_removed_twice(
    name: str, bands: Sequence[str], sample: Sequence[NDArray[np.generic]], encoding: Encoding
) -> None:
    """Refuse values without a declared offset that look as if one had been removed that was not there.

    Args:
        name: of the scene, for errors.
        bands: of the scene.
        sample: some DN of each band.
        encoding: scale and no-data value; its offsets are 0.

    Raises:
        UnknownRadiometryError: saying what is wrong, and what to do.
    """
    _refuse_partly_empty(name, bands, sample, encoding.nodata)
    _refuse_negative(name, bands, data_of(sample, encoding), encoding.scale)


def _refuse_partly_empty(
    name: str, bands: Sequence[str], sample: Sequence[NDArray[np.generic]], nodata: float | None
) -> None:
    """Refuse DN of which many pixels are 0, the no-data value, in some bands and not in others.

    Raises:
        UnknownRadiometryError: naming the band that has the most.
    """
    if nodata != 0 or len(sample) < 2 or len({band.shape for band in sample}) > 1:
        return
    empty = np.stack([band == 0 for band in sample])
    partly = empty.any(axis=0) & ~empty.all(axis=0)
    with_data = int((~empty.all(axis=0)).sum())
    if with_data and (share := partly.sum() / with_data) > _MAX_PARTLY_EMPTY:
        worst = int((empty & partly).reshape(len(sample), -1).sum(axis=1).argmax())
        raise UnknownRadiometryError(
            f"{name}: {share:.0%} of its pixels are 0, which is no data, in some bands (most in {bands[worst]}) and "
            "not in others, as where an offset was taken off DN without one and what became negative was cut off; "
            "give the DN from before, or --offset 0 if these are right"
        )


def _refuse_negative(
    source: str, bands: Sequence[str], reflectance: Sequence[NDArray[np.float64]], scale: float
) -> None:
    """Refuse values of which too many are negative, or were clipped where they would be.

    Libraries remove the offset that a catalogue lists though the files have none, and so do users. Negative values may
    have been clipped: then much of each visible band has its lowest value. Of 1,470 real images 1 is refused; of 579
    of L2A that are clear on a fifth all are if 0.1 is subtracted once more, and 495 if that is clipped at DN 1.

    Args:
        source: name of the scene, for errors.
        bands: of the scene.
        reflectance: some of each band, no offset added.
        scale: DN per 1.0 reflectance.

    Raises:
        UnknownRadiometryError: too much of a band is negative, or too much of each visible band has its lowest value.
    """
    data = {band: values for band, values in zip(bands, reflectance, strict=True) if values.size}
    below = {band: negative_share(values) for band, values in data.items()}
    restoring = -rescaled_offset(scale)
    taken = "an offset was taken off that was not there, or twice"
    if below and below[worst := max(below, key=below.__getitem__)] >= NEGATIVE_SHARE:
        raise UnknownRadiometryError(
            f"{source}: {below[worst]:.0%} of {worst} lies below reflectance {NEGATIVE:g}, as where {taken}; give "
            f"--offset {restoring:g} to put it back, or --offset 0 if the values are right"
        )
    at_lowest = [float(np.mean(data[band] == data[band].min())) for band in VISIBLE if band in data]
    if (
        len(at_lowest) > 1
        and min(at_lowest) >= _CLIPPED_SHARE
        and max(data[band].min() for band in VISIBLE if band in data) <= 0.001
    ):
        raise UnknownRadiometryError(
            f"{source}: at least {min(at_lowest):.0%} of each visible band is at its least value, as where {taken}, "
            "and what became negative was cut off; give the values from before, or --offset 0 if these are right"
        )
