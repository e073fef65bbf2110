"""Haze, smoke and cirrus over large areas, by what they add to the darkest bands; what csmask does not look for.

Two signs, each local to some kilometre. Aerosol scatters blue light, and over land the blue of clear ground follows its
red and its short-wave infrared (dark objects, Kaufman et al. 1997; the haze-optimised transform, Zhang et al. 2002):

    excess = blue - max(red, short-wave infrared) / 2

is the path reflectance and little more, whatever grows or lies there. Without short-wave infrared it cannot be told
from shaded snow, and is not looked at. And at 1.375 um (B10) water vapour hides what lies low, but not cirrus (Gao et
al. 1993). What counts of an area is the mean less one standard deviation, so that roofs and small clouds do not make it
hazy.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unclouded.detection.ramp import ramp
from unclouded.detection.windows import partial_mean

EXTRA = ("B10", "B11", "B12")
"""Bands that are looked at where they are there, beside those that the detector reads."""

_AREA = 12
"""Pixels of the detector's grid, 40 m each, around one that make its area."""

HAZE_REACH = 2 * _AREA
"""Pixels beyond which nothing matters to `haze`."""

_EXCESS = {"L1C": (0.063, 0.085), "L2A": (0.012, 0.032)}
"""Excess at which an area begins to be hazy, and at which it is: at the top of the atmosphere clear air has its own."""

_CIRRUS = (0.010, 0.022)
"""The same of the reflectance at 1.375 um."""

_BRIGHTEST = 0.4
"""Blue reflectance beyond which a pixel is cloud, snow or salt, and says nothing of the air."""

_SNOW = 0.3
"""Normalised difference of green and short-wave infrared from which on it is snow."""

_LAND = 0.9
"""Near infrared, in greens, under which it is water."""

_LEAST = 0.1
"""Share of an area that must be land that tells."""


def haze(reflectance: Tensor, bands: Sequence[str], level: str) -> Tensor:
    """How hazy the area around each pixel is, (B, 1, h, w), 0 to 1; 0 where nothing tells.

    Args:
        reflectance: (B, C, h, w) on the detector's grid, NaN where there is no data.
        bands: the name of each channel; B02, B03, B04 and B08 among them.
        level: "L1C" or "L2A".
    """
    held = torch.isfinite(reflectance).all(dim=1, keepdim=True)
    image = torch.where(held, reflectance, reflectance.new_zeros(()))
    of = {name: image[:, number, None] for number, name in enumerate(bands)}
    found = torch.zeros_like(image[:, :1])
    infrared = of.get("B11", of.get("B12"))
    if infrared is not None:
        blue, swir = of["B02"], of.get("B12", infrared)
        snow = (of["B03"] - infrared) > _SNOW * (of["B03"] + infrared)
        land = held & (blue < _BRIGHTEST) & (of["B08"] > _LAND * of["B03"]) & ~snow
        mean, spread, share = _moments(blue - torch.maximum(of["B04"], swir) / 2, land)
        found = ramp(mean - spread, *_EXCESS[level]) * (share >= _LEAST)
    if "B10" in of and level == "L1C":
        mean, spread, _ = _moments(of["B10"], held)
        found = torch.maximum(found, ramp(mean - spread, *_CIRRUS))
    return _mean(found) * held


def _moments(x: Tensor, counts: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and standard deviation of an area, of the pixels that count, and their share."""
    share = _mean(counts.float())
    mean = _mean(x * counts) / share.clamp(min=1e-6)
    square = _mean(x.square() * counts) / share.clamp(min=1e-6)
    return mean, (square - mean.square()).clamp(min=0).sqrt(), share


def _mean(x: Tensor) -> Tensor:
    return partial_mean(x, _AREA)
