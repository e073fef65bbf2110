"""Checks of DN for what cannot be undone: clipped, stretched or mixed values, and bands without data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import InputError
from unclouded.reading.radiometry.fill_values import MIN_OTHER_VALUES
from unclouded.reading.radiometry.plausibility import HIGHEST_USUAL_DN

_MIN_STRETCHED = 3
"""Bands, at least, that were stretched if all run from 0 to 1: fewer may do so by themselves."""

_MIN_CLIPPED, _MIN_CLIPPED_SHARE = 10, 0.001
"""Pixels that hold the highest value of all in two bands or more, and their share, at least, if it was clipped."""

_JUST_BELOW = 0.98
"""Share of the highest value above which fewer pixels lie in several bands than hold it, if it was clipped."""

_CLOUD_CONTRAST, _MUCH_CLIPPED = 0.5, 0.01
"""Reflectance up to which values are needed to tell cloud from ground, and the share of clipped pixels that matters."""

_MAX_REFLECTANCE, _MIN_FRACTIONS, _MIN_DN = 2.0, 0.1, 200.0
"""Below the first, and not whole in more than the second share, floats are reflectance; above the third they are DN."""


class Clipping(NamedTuple):
    """Values that were clipped.

    Attributes:
        value: the highest that is left, in DN.
        share: of the pixels that have it in several bands.
        reflectance: what it is, no offset added.
    """

    value: float
    share: float
    reflectance: float

    @property
    def note(self) -> str:
        """What the user is told."""
        return (
            f"{self.share:.1%} of its pixels have {self.value:g}, the greatest value of all, in several bands: "
            f"brighter ones were cut off there, at reflectance {self.reflectance:.2g} before any offset"
        )

    def refuse(self, name: str) -> None:
        """Refuse values that were clipped so low that cloud and bright ground are alike.

        Raises:
            InputError: saying what to give.
        """
        if self.reflectance < _CLOUD_CONTRAST and self.share >= _MUCH_CLIPPED:
            raise InputError(
                f"{name}: {self.note}, so that cloud and bright ground are alike; give the values from before, or "
                f"--scale {self.value / self.reflectance:.0f} to go on all the same"
            )


def find_clipping(sample: Sequence[NDArray[np.generic]], scale: float) -> Clipping | None:
    """Find out whether high values were clipped, as in browsers' exports.

    Of 1,512 real images none has its highest value in two bands of one pixel.

    Args:
        sample: some DN (...) of each band.
        scale: DN per 1.0 reflectance.
    """
    if len(sample) < 2 or len({band.shape for band in sample}) > 1:
        return None
    dn = np.stack(sample).reshape(len(sample), -1)
    data = dn[:, np.isfinite(dn).all(axis=0)]
    highest = float(data.max()) if data.size else 0.0
    clipped = int(((data == highest).sum(axis=0) > 1).sum())
    just_below = int((((data > _JUST_BELOW * highest) & (data < highest)).sum(axis=0) > 1).sum())
    enough = max(_MIN_CLIPPED, _MIN_CLIPPED_SHARE * data.shape[1], just_below)
    if highest <= 0 or clipped < enough or np.unique(data).size <= MIN_OTHER_VALUES:
        return None
    return Clipping(highest, clipped / data.shape[1], highest / scale)


def refuse_stretched(name: str, dtype: np.dtype[Any], sample: Sequence[NDArray[np.generic]]) -> None:
    """Refuse floats of which each band runs from 0 to 1, as no reflectance does.

    Raises:
        InputError: saying what was done to them.
    """
    if dtype.kind != "f" or len(sample) < _MIN_STRETCHED:
        return
    bands = [band[np.isfinite(band)] for band in sample]
    if all(band.size and band.min() == 0 and band.max() == 1 for band in bands):
        raise InputError(
            f"{name}: each of its bands runs from 0 to 1, as where they were stretched one by one, which leaves no "
            "reflectance; give the values from before, or --scale 1 if these are right"
        )


def refuse_mixed(name: str, bands: Sequence[str], dtype: np.dtype[Any], sample: Sequence[NDArray[np.generic]]) -> None:
    """Refuse floats of which some bands hold reflectance and others DN: no single scale fits both.

    Raises:
        InputError: naming one of each.
    """
    if dtype.kind != "f":
        return
    brightest, in_reflectance = dict[str, float](), list[str]()
    for band, dn in zip(bands, sample, strict=True):
        values = dn[abs(dn.astype(np.float64)) < 2 * HIGHEST_USUAL_DN].astype(np.float64)
        brightest[band] = float(np.percentile(values, 99)) if values.size else 0.0
        if 0 < brightest[band] < _MAX_REFLECTANCE and (values % 1 != 0).mean() > _MIN_FRACTIONS:
            in_reflectance.append(band)
    in_dn = [band for band, value in brightest.items() if value > _MIN_DN]
    if in_reflectance and in_dn:
        one, other = in_reflectance[0], in_dn[0]
        raise InputError(
            f"{name}: {one} holds reflectance (up to {brightest[one]:.2g}) and {other} DN (up to "
            f"{brightest[other]:.0f}); one of the two in all bands is accepted; convert them first"
        )


def refuse_empty(name: str, bands: Sequence[str], reflectance: Sequence[NDArray[np.float64]]) -> None:
    """Refuse bands without any data beside others with some: a pixel is valid only if it holds data in all bands.

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
