"""Haze, smoke and cirrus over large areas, which csmask does not detect, by their path reflectance in dark bands.

Two indicators, each averaged over about a kilometre. Aerosol scatters blue light, and over land the blue reflectance of
the ground follows the red and the short-wave infrared (dark targets, Kaufman et al. 1997; the haze-optimised transform,
Zhang et al. 2002), so that

    excess = blue - max(red, short-wave infrared) / 2

is mostly path reflectance, whatever the land cover. Without short-wave infrared shaded snow looks alike, and the excess
is not used. At 1.375 um (B10) water vapour absorbs the light of all that lies low, but not that of cirrus (Gao et al.
1993). The mean of an area less one standard deviation counts, so that roofs and small clouds do not make it hazy.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unclouded.detection.filters import mean_filter
from unclouded.detection.ramp import ramp
from unclouded.detection.snow_index import short_wave_band

EXTRA = ("B10", "B11", "B12")
"""Optional bands, besides those that the detector reads."""

_AREA = 12
"""Radius, in pixels of the detector's grid (40 m), of the area around a pixel."""

HAZE_RADIUS = 2 * _AREA
"""Radius, in pixels, of what `haze` depends on."""

_EXCESS = {"L1C": (0.063, 0.085), "L2A": (0.012, 0.032)}
"""Excess from which on an area may be hazy, and from which on it is: in L1C clear air has a path reflectance, too."""

_CIRRUS = (0.010, 0.022)
"""The same for the reflectance at 1.375 um."""

_BRIGHTEST = 0.4
"""Blue reflectance beyond which a pixel is cloud, snow or salt, and no dark target."""

_SNOW = 0.3
"""NDSI beyond which it is snow; multiplied out below, so that nothing is divided by the sum of two dark bands."""

_LAND = 0.9
"""Ratio of near infrared to green below which it is water."""

_MIN_SHARE = 0.1
"""Share of an area that must be dark targets."""


def haze(reflectance: Tensor, bands: Sequence[str], level: str) -> Tensor:
    """How hazy the area around each pixel is, (B, 1, h, w), 0 to 1; 0 where there is no indicator.

    Args:
        reflectance: (B, C, h, w) on the detector's grid, NaN where there is no data.
        bands: the name of each channel; B02, B03, B04 and B08 among them.
        level: "L1C" or "L2A".
    """
    valid = torch.isfinite(reflectance).all(dim=1, keepdim=True)
    image = torch.where(valid, reflectance, reflectance.new_zeros(()))
    by_band = {name: image[:, number, None] for number, name in enumerate(bands)}
    found = torch.zeros_like(image[:, :1])
    if short_wave := short_wave_band(bands):
        blue, green, infrared = (by_band[name] for name in ("B02", "B03", short_wave))
        snow = (green - infrared) > _SNOW * (green + infrared)
        targets = valid & (blue < _BRIGHTEST) & (by_band["B08"] > _LAND * green) & ~snow
        swir = by_band.get("B12", infrared)
        mean, deviation, share = _moments(blue - torch.maximum(by_band["B04"], swir) / 2, targets)
        found = ramp(mean - deviation, *_EXCESS[level]) * (share >= _MIN_SHARE)
    if "B10" in by_band and level == "L1C":
        mean, deviation, _ = _moments(by_band["B10"], valid)
        found = torch.maximum(found, ramp(mean - deviation, *_CIRRUS))
    return _mean(found) * valid


def _moments(x: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and standard deviation of the pixels of an area with `weight` 1, and their share."""
    share = _mean(weight.float())
    mean = _mean(x * weight) / share.clamp(min=1e-6)
    square = _mean(x.square() * weight) / share.clamp(min=1e-6)
    return mean, (square - mean.square()).clamp(min=0).sqrt(), share


def _mean(x: Tensor) -> Tensor:
    return mean_filter(x, _AREA)
