"""Fill values that no tag declares: pixels that hold the same value in all bands, or the same spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unclouded.reading.radiometry.plausibility import HIGHEST_USUAL_DN

_MIN_BANDS = 3
"""Bands that a fill is looked for in: in two of them pixels are equal by chance."""

_MIN_PIXELS, _MAX_IN_ONE_BAND = 20, 0.1
"""Pixels of a sample that are filled, at least, and how many others, of these, may have the value in one band alone."""

_MAX_OTHER_SPECTRUM = 0.1
"""How many pixels any other spectrum may have, of those that are filled."""

_NEAR = 0.8
"""Share of a value above which others come near it."""

MIN_OTHER_VALUES = 20
"""Values that a sample has besides the one in question, at least: an image of a few values tells nothing."""


def without_largest(
    dtype: np.dtype[Any], sample: Sequence[NDArray[np.generic]], nodata: float | None
) -> tuple[list[NDArray[np.generic]], bool]:
    """Leave out the pixels of a sample that are 65535 in all bands, a usual fill value of uint16.

    Where other DN lie in the upper half of the range, 65535 may be white: nothing is left out then.

    Args:
        dtype: of the DN.
        sample: some DN (...) of each band.
        nodata: the no-data value that is known.

    Returns:
        The other DN of each band, and whether there were such pixels.
    """
    largest = np.iinfo(np.uint16).max
    if dtype != np.uint16 or nodata == largest or len(sample) < 2 or len({band.shape for band in sample}) > 1:
        return list(sample), False
    filled = np.all([band == largest for band in sample], axis=0)
    if not filled.any() or any((band[~filled] >= HIGHEST_USUAL_DN).any() for band in sample):
        return list(sample), False
    return [band[~filled] for band in sample], True


class FillPixels(NamedTuple):
    """Pixels that all hold the same values.

    Attributes:
        values: the DN of each band.
        filled: (1, n) which pixels of a sample have them.
        greatest: whether no other value is as high, so that it may be that of clouds masked by a constant.
    """

    values: tuple[float, ...]
    filled: NDArray[np.bool_]
    greatest: bool

    def is_fill(self, scale: float) -> bool:
        """Whether no cloud has these values, at `scale` DN per 1.0 reflectance."""
        return not self.greatest or self.values[0] > scale

    def note(self, bands: Sequence[str]) -> str:
        """What the user is told."""
        if len(set(self.values)) == 1:
            return equal_fill_note(self.values[0])
        examples = ", ".join(f"{value:g} in {band}" for band, value in zip(bands[:3], self.values[:3], strict=True))
        return f"pixels that all have the same values ({examples} and so on), as no ground has, are taken for no data"

    def outside(self, sample: Sequence[NDArray[np.generic]]) -> list[NDArray[np.generic]]:
        """The DN (1, m) of each band that are not filled."""
        return [band.reshape(1, -1)[~self.filled][None] for band in sample]


def equal_fill_note(dn: float) -> str:
    """What the user is told of fill pixels that hold one value in all bands."""
    return f"pixels that are {dn:g} in all bands are taken for no data"


def find_fill(sample: Sequence[NDArray[np.generic]], nodata: float | None) -> FillPixels | None:
    """Find the fill pixels of a sample: one value in all bands, or one in each band.

    Args:
        sample: some DN (...) of each band.
        nodata: the no-data value that is known, which is not looked for.
    """
    if len(sample) < _MIN_BANDS or len({band.shape for band in sample}) > 1:
        return None
    dn = np.stack(sample).reshape(len(sample), -1)
    return _equal_in_all_bands(dn, nodata) or _one_spectrum(dn, nodata)


def _one_spectrum(dn: NDArray[np.generic], nodata: float | None) -> FillPixels | None:
    """Find pixels of (C, n) that share a spectrum which is not constant, where hardly any other spectrum occurs twice.

    Such are fill pixels to which a number was added, or that were multiplied, differently in each band. Of 1,526 real
    images 7 have 20 pixels alike, and in these other spectra are as frequent. Clipped cloud has the highest values.
    """
    valid = np.isfinite(dn).all(axis=0) & (dn != nodata).all(axis=0) & (dn != dn[0]).any(axis=0)
    data = dn[:, valid].astype(np.float64)
    if data.shape[1] < _MIN_PIXELS:
        return None
    # Spectra as single numbers, which sort much faster.
    sums = np.sqrt(np.arange(2, 2 + len(data))) @ data
    _, first, counts = np.unique(sums, return_index=True, return_counts=True)
    most = int(counts.argmax())
    if counts[most] < _MIN_PIXELS or (np.delete(counts, most) > _MAX_OTHER_SPECTRUM * counts[most]).any():
        return None
    spectrum = data[:, first[most]]
    filled = (dn == spectrum[:, None]).all(axis=0)
    if (spectrum >= data.max(axis=1)).all() or np.unique(dn[:, ~filled]).size < MIN_OTHER_VALUES:
        return None
    return FillPixels(tuple(map(float, spectrum)), filled[None], greatest=False)


def _equal_in_all_bands(dn: NDArray[np.generic], nodata: float | None) -> FillPixels | None:
    """Find pixels of (C, n) that hold one value above 0 in all bands, which hardly occurs in one band alone.

    Of 1,512 real images 2 have such pixels: nearly all others of theirs are clipped at DN 1 in some bands. The highest
    value of all may be that of clipped clouds: then it must not occur in one band alone, and no other comes near it.
    """
    equal = (dn == dn[0]).all(axis=0) & (dn[0] > 0) & (dn[0] != nodata)
    values, counts = np.unique(dn[0][equal], return_counts=True)
    if not counts.size or counts.max() < _MIN_PIXELS:
        return None
    value = values[counts.argmax()]
    filled = equal & (dn[0] == value)
    in_one_band = int((dn == value).any(axis=0).sum() - filled.sum())
    greatest = not (dn > value).any()
    if greatest and (in_one_band or filled.all() or ((dn > _NEAR * value) & (dn < value)).any()):
        return None
    if in_one_band > _MAX_IN_ONE_BAND * counts.max() or np.unique(dn[:, ~filled]).size < MIN_OTHER_VALUES:
        return None
    return FillPixels((float(value),) * len(dn), filled[None], greatest)
