"""Reflectance as colours that people see."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

NATURAL = ("B04", "B03", "B02")
"""Bands shown as red, green and blue."""


def natural_colour(reflectance: NDArray[np.float32], bands: Sequence[str], white: float) -> NDArray[np.float32]:
    """Red, green and blue (h, w, 3) in [0, 1], or the first band as grey (h, w) where a colour is missing.

    `white` is the reflectance that becomes white.
    """
    # The square root spreads the dark ground, which is most of any land image.
    shown: NDArray[np.float32] = np.sqrt(np.clip(np.nan_to_num(_visible(reflectance, bands)) / white, 0, 1))
    return shown


def white_point(reflectance: NDArray[np.float32], bands: Sequence[str]) -> float:
    """The reflectance to show as white, so that this image uses the whole range; at least 0.1, so water stays dark."""
    visible = _visible(reflectance, bands)
    finite = visible[np.isfinite(visible)]
    return max(0.1, float(np.percentile(finite, 99.5))) if finite.size else 1.0


def _visible(reflectance: NDArray[np.float32], bands: Sequence[str]) -> NDArray[np.float32]:
    names = list(bands)
    if all(band in names for band in NATURAL):
        return np.moveaxis(reflectance[[names.index(band) for band in NATURAL]], 0, -1)
    grey: NDArray[np.float32] = reflectance[0]
    return grey
