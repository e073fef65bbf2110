"""The normalised-difference snow index (NDSI, Hall et al. 1995): snow and water absorb short-wave infrared, cloud not.

The same ratio is the modified water index (MNDWI, Xu 2006). Limits differ by what a mistake costs; each stands where it
is used.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

_Reflectance = TypeVar("_Reflectance", Tensor, NDArray[np.float32])

SHORT_WAVE = "B11", "B12"
"""The bands of which the index takes one, the better first."""

_LEAST = 1e-3
"""Least sum of both bands that is divided by: at the surface the darkest pixels have reflectances of 0 and less."""


def snow_index(green: _Reflectance, short_wave: _Reflectance) -> _Reflectance:
    """NDSI of two bands' reflectance, of one shape; NaN where either is."""
    index: _Reflectance = (green - short_wave) / (green + short_wave).clip(min=_LEAST)
    return index


def short_wave_band(bands: Sequence[str]) -> str | None:
    """The band of `SHORT_WAVE` that an image of these `bands` has; None without any, which cannot tell snow."""
    return next((name for name in SHORT_WAVE if name in bands), None)
