"""What the pixels of a scene show of how it was made: undeclared holes, empty bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import InputError

HALF = 32_768
"""No DN of 10,000 per 1.0 is above it: cloud tops and glint reach 28,000."""


_SEVERAL = 3
"""Bands of which not all reach 0 and 1 by themselves, or have one value."""

_FILLED, _OUTSIDE = 20, 0.1
"""Pixels of a sample that one and the same value fills in all bands, and of how many others it may be in one alone."""

_OFTEN = 0.1
"""How many pixels at most have any other spectrum, for one that they have."""

_NEAR = 0.8
"""Share of a value from which on others come near it."""

_CUT, _CUT_SHARE = 10, 0.001
"""Pixels that have the greatest value of all in two bands or more, and their share, from which on it was cut off."""

_JUST_BELOW = 0.98
"""Share of the greatest value above which fewer pixels lie in several bands than have it, if it was cut off."""

_VARIED = 20
"""Values that a sample has beside the one in question, at least: a picture of a few numbers tells nothing."""

_TELLING, _MUCH_CUT = 0.5, 0.01
"""Reflectance up to which cloud has to be seen to be told from ground, and the share of the pixels that matters."""

_OF_REFLECTANCE, _FRACTIONS, _OF_DN = 2.0, 0.1, 200.0
"""Below the first, and not whole in more than the second share, floats are reflectance; above the third they are DN."""


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


class Filling(NamedTuple):
    """One and the same values in all pixels of a hole.

    Attributes:
        values: in DN, of each band.
        full: (1, n) the pixels of a sample that have them.
        greatest: whether no other value is so great, so that it may be that of cloud as somebody painted it.
    """

    values: tuple[float, ...]
    full: NDArray[np.bool_]
    greatest: bool

    def is_hole(self, scale: float) -> bool:
        """Whether no cloud is like that, with so many DN per 1.0 reflectance."""
        return not self.greatest or self.values[0] > scale

    def note(self, bands: Sequence[str]) -> str:
        """What is to be said of them."""
        if len(set(self.values)) == 1:
            return no_data_in_all(self.values[0])
        examples = ", ".join(f"{value:g} in {band}" for band, value in zip(bands[:3], self.values[:3], strict=True))
        return f"pixels that all have the same values ({examples} and so on), as no ground has, are taken for no data"

    def outside(self, sample: Sequence[NDArray[np.generic]]) -> list[NDArray[np.generic]]:
        """The rest of each band of the sample."""
        return [band.reshape(1, -1)[~self.full][None] for band in sample]


def no_data_in_all(dn: float) -> str:
    """What is to be said of holes that have one value in all bands."""
    return f"pixels that are {dn:g} in all bands are taken for no data"


def filling_of(sample: Sequence[NDArray[np.generic]], nodata: float | None) -> Filling | None:
    """Find the pixels of a sample that somebody filled: with one and the same value in all bands, or one in each.

    Args:
        sample: some DN of each band.
        nodata: the DN that means none, which is none of these.
    """
    if len(sample) < _SEVERAL or len({band.shape for band in sample}) > 1:
        return None
    dn = np.stack(sample).reshape(len(sample), -1)
    return _one_value(dn, nodata) or _one_spectrum(dn, nodata)


def _one_spectrum(dn: NDArray[np.generic], nodata: float | None) -> Filling | None:
    """Find pixels (C, n) that hold one value in each band, not the same in all, where no others hold the same twice.

    So are holes that something was added to or multiplied with, another number in each band. Of 1,526 real images 7
    have 20 pixels alike, and others of theirs are as frequent. Cloud that was cut off has the greatest of all values.
    """
    valid = np.isfinite(dn).all(axis=0) & (dn != nodata).all(axis=0) & (dn != dn[0]).any(axis=0)
    data = dn[:, valid].astype(np.float64)
    if data.shape[1] < _FILLED:
        return None
    # A number for each spectrum, since sorting these is what takes time.
    sums = np.sqrt(np.arange(2, 2 + len(data))) @ data
    _, first, counts = np.unique(sums, return_index=True, return_counts=True)
    most = int(counts.argmax())
    if counts[most] < _FILLED or (np.delete(counts, most) > _OFTEN * counts[most]).any():
        return None
    spectrum = data[:, first[most]]
    full = (dn == spectrum[:, None]).all(axis=0)
    if (spectrum >= data.max(axis=1)).all() or np.unique(dn[:, ~full]).size < _VARIED:
        return None
    return Filling(tuple(map(float, spectrum)), full[None], greatest=False)


def _one_value(dn: NDArray[np.generic], nodata: float | None) -> Filling | None:
    """Find pixels (C, n) that hold one and the same value above 0 in all bands, where others hardly do.

    Of 1,512 real images 2 have such pixels, cut off at DN 1 in some bands of nearly all others. A value that nothing is
    above may be where clouds were cut off: then it has to be in no band alone, and nothing comes near it.
    """
    equal = (dn == dn[0]).all(axis=0) & (dn[0] > 0) & (dn[0] != nodata)
    values, counts = np.unique(dn[0][equal], return_counts=True)
    if not counts.size or counts.max() < _FILLED:
        return None
    value = values[counts.argmax()]
    full = equal & (dn[0] == value)
    alone = int((dn == value).any(axis=0).sum() - full.sum())
    greatest = not (dn > value).any()
    if greatest and (alone or full.all() or ((dn > _NEAR * value) & (dn < value)).any()):
        return None
    if alone > _OUTSIDE * counts.max() or np.unique(dn[:, ~full]).size < _VARIED:
        return None
    return Filling((float(value),) * len(dn), full[None], greatest)


class CutOff(NamedTuple):
    """Values that were cut off from one on.

    Attributes:
        value: the greatest that is left, in DN.
        share: of the pixels that have it in several bands.
        reflectance: what it is, no offset added.
    """

    value: float
    share: float
    reflectance: float

    @property
    def note(self) -> str:
        """What is to be said of them."""
        return (
            f"{self.share:.1%} of its pixels have {self.value:g}, the greatest value of all, in several bands: "
            f"brighter ones were cut off there, at reflectance {self.reflectance:.2g} before any offset"
        )

    def refuse(self, name: str) -> None:
        """Refuse what was cut off so low that cloud and bright ground are alike.

        Raises:
            InputError: saying what to give.
        """
        if self.reflectance < _TELLING and self.share >= _MUCH_CUT:
            raise InputError(
                f"{name}: {self.note}, so that cloud and bright ground are alike; give the values from before, or "
                f"--scale {self.value / self.reflectance:.0f} to go on all the same"
            )


def cut_off(sample: Sequence[NDArray[np.generic]], scale: float) -> CutOff | None:
    """Find out whether values were cut off from one on, as those of browsers' exports are.

    Of 1,512 real images none has its greatest value in two bands of one pixel.

    Args:
        sample: some DN of each band.
        scale: DN per 1.0 reflectance.
    """
    if len(sample) < 2 or len({band.shape for band in sample}) > 1:
        return None
    dn = np.stack(sample).reshape(len(sample), -1)
    data = dn[:, np.isfinite(dn).all(axis=0)]
    greatest = float(data.max()) if data.size else 0.0
    cut = int(((data == greatest).sum(axis=0) > 1).sum())
    below = int((((data > _JUST_BELOW * greatest) & (data < greatest)).sum(axis=0) > 1).sum())
    if greatest <= 0 or cut < max(_CUT, _CUT_SHARE * data.shape[1], below) or np.unique(data).size <= _VARIED:
        return None
    return CutOff(greatest, cut / data.shape[1], greatest / scale)


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


def refuse_mixed(name: str, bands: Sequence[str], dtype: np.dtype[Any], sample: Sequence[NDArray[np.generic]]) -> None:
    """Refuse floats of which some bands hold reflectance and others DN, which no scale brings together.

    Raises:
        InputError: naming one of each.
    """
    if dtype.kind != "f":
        return
    brightest, fractions = dict[str, float](), list[str]()
    for band, dn in zip(bands, sample, strict=True):
        values = dn[abs(dn.astype(np.float64)) < 2 * HALF].astype(np.float64)
        brightest[band] = float(np.percentile(values, 99)) if values.size else 0.0
        if 0 < brightest[band] < _OF_REFLECTANCE and (values % 1 != 0).mean() > _FRACTIONS:
            fractions.append(band)
    numbers = [band for band, most in brightest.items() if most > _OF_DN]
    if fractions and numbers:
        one, other = fractions[0], numbers[0]
        raise InputError(
            f"{name}: {one} holds reflectance (up to {brightest[one]:.2g}) and {other} DN (up to "
            f"{brightest[other]:.0f}); one of the two in all bands is accepted; convert them first"
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
            f"{name}: {', '.join(empty)} {'holds' if len(empty) == 1 else 'hold'} no data in the pixels sampled, and "
            f"pixels are needed that have data in all bands; {of_l2a}leave out with --bands {','.join(others)}"
        )
