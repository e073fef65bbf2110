"""Land too dark to be sunlit, on which shadow is plausible without a cloud in sight; and water, on which it is not.

The cloud that casts a shadow may lie outside of the image, and on dark land detectors find shadow where there is none.
In the near infrared little light is left in shadow, since the sky is dark there, and sunlit land is bright, even spruce
forest (0.15 to 0.2): cloud shadow is detected in this band (Zhu and Woodcock 2012, section 3.2). Water is as dark, and
differs by its green, which exceeds the near infrared or comes near it. Burnt, black and wet ground are as dark, and
differ by their short-wave infrared, which exceeds the near infrared: the sky sends next to none.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unclouded.atmosphere import air_reflectance
from unclouded.detection.filters import mean_filter
from unclouded.detection.ramp import ramp
from unclouded.detection.snow_index import snow_index

_DARK = {"L1C": (0.09, 0.13), "L2A": (0.08, 0.12)}
"""Reflectance in the near infrared up to which land is too dark to be sunlit, and from which on it may be sunlit."""

_LAND = {"L1C": (0.75, 0.95), "L2A": (1.2, 1.7)}
"""Ratio of near infrared to green up to which a pixel is water, and from which on it is land: in L1C the path
reflectance, which is higher in the green, lowers it."""

_SHORT_WAVE = {"B11": (1.1, 1.5), "B12": (0.8, 1.2)}
"""Ratio of short-wave to near infrared up to which land may lie in shadow, and from which on it does not."""

_REGION_RADIUS = 4
"""Radius, in pixels of the detector's grid (40 m), of the mean that is taken twice of the share of land too dark to be
sunlit: bright fields in shadow are not too dark by themselves."""

_DARK_REGION, _MIN_DARK_REGIONS = 0.6, 0.02
"""Such share around a pixel from which on it belongs to a dark region, and the share of a small scene that dark regions
have, at least, if they lie in the shadow of a cloud outside of it: of 189 clear images of up to 3 km none has more than
0.003, and of 4,769 small parts of clear images two have more, both of one image."""

_REGION_SHARE = 0.15, 0.3
"""Share around a pixel from which on it may lie in shadow, and from which on it does, in such a scene."""

_SUNLIT = 0.19, 0.14
"""Reflectance in the near infrared from which on a pixel is sunlit, and up to which it may lie in shadow."""

_FLOODED = 0.2, 0.0
"""Modified water index (MNDWI) from which on dark land is flooded, and up to which it is not: in shadow, without path
reflectance, the ratio of green to short-wave infrared is that of sunlit land."""

_HAZY = 0.035, 0.02
"""Excess of the blue, see `detection.haze`, without path reflectance, from which on the light of the ground is unknown,
and up to which it is known; of real ground in shadow under clear air the medians of scenes are -0.02 to 0.01."""

_WATER_INDEX = {"L1C": (0.3, 0.6), "L2A": (0.1, 0.4)}
"""Modified water index (MNDWI, see `detection.snow_index`) from which on a pixel may be water, and from which
on it is: in L1C path reflectance makes that of shadow as high as 0.2."""

_WATER = {"L1C": (0.8, 0.95), "L2A": (1.0, 1.3)}
"""Ratio of near infrared to green up to which a pixel is water, and from which on it is not."""

_WATER_NIR = {"L1C": (0.055, 0.075), "L2A": (0.04, 0.07)}
"""Near infrared up to which it is water, and from which on it is not: it excludes snow, and land in shadow that thin
cloud brightens."""


def water(reflectance: Tensor, bands: Sequence[str], level: str) -> Tensor:
    """Certainty of open water, (B, 1, h, w), 0 to 1; 0 without short-wave infrared (B11) or data.

    In the bands by which shadow is detected, sunlit water is as dark as shadow. Arguments as of `too_dark`.
    """
    if "B11" not in bands:
        return reflectance.new_zeros(reflectance[:, :1].shape)
    green, infrared, short = (reflectance[:, bands.index(name), None] for name in ("B03", "B08", "B11"))
    by_index = ramp(snow_index(green, short), *_WATER_INDEX[level])
    by_ratio = ramp(infrared / green.clamp(min=1e-3), *reversed(_WATER[level]))
    dark = ramp(infrared, *reversed(_WATER_NIR[level]))
    return (by_index * by_ratio * dark).nan_to_num(0.0)


def too_dark(reflectance: Tensor, bands: Sequence[str], level: str) -> Tensor:
    """Certainty that land is too dark to be sunlit, (B, 1, h, w), 0 to 1; 0 where there is no data.

    Args:
        reflectance: (B, C, h, w) on the detector's grid, NaN where there is no data.
        bands: the name of each channel; B03 and B08 among them, and B11 and B12 if available.
        level: "L1C" or "L2A".
    """
    green, infrared = (reflectance[:, bands.index(name), None] for name in ("B03", "B08"))
    surely_water, surely_land = _LAND[level]
    land = (infrared - surely_water * green) / ((surely_land - surely_water) * green).clamp(min=1e-3)
    shaded = ramp(infrared, *reversed(_DARK[level])) * land.clamp(0, 1)
    for name, (shadow, sunlit) in _SHORT_WAVE.items():
        if name in bands:
            ratio = reflectance[:, bands.index(name), None] / infrared.clamp(min=1e-3)
            shaded = shaded * ramp(ratio, sunlit, shadow)
    return shaded.nan_to_num(0.0)


def shaded_regions(dark: Tensor, reflectance: Tensor, bands: Sequence[str], level: str) -> Tensor:
    """Certainty of shadow in a scene whose surroundings are unknown, by regions, (1, 1, h, w), 0 to 1.

    Flooded fields, which are as dark, are excluded by the water index without path reflectance. The result is 0 under
    haze, whose path reflectance would be taken for light of the ground.

    Args:
        dark: (1, 1, h, w) `too_dark`.
        reflectance: (1, C, h, w) on the detector's grid, NaN where there is no data.
        bands: the name of each channel. Without short-wave infrared, dark land may be burnt or wet: the result is 0.
        level: "L1C" or "L2A".
    """
    infrared = reflectance[:, bands.index("B08"), None]
    valid = infrared.isfinite()
    short_wave = [name for name in _SHORT_WAVE if name in bands]
    if not short_wave or not valid.any():
        return torch.zeros_like(dark)
    blue, green, red, short = (
        reflectance[:, bands.index(name), None] - air_reflectance(name, level)
        for name in ("B02", "B03", "B04", short_wave[0])
    )
    not_flooded = ramp(snow_index(green, short), *_FLOODED).nan_to_num(0.0)
    not_hazy = ramp(blue - torch.maximum(red, short) / 2, *_HAZY).nan_to_num(0.0)
    dark = torch.where(valid, dark * not_flooded * not_hazy, 0)
    share, weight = dark, valid.to(dark)
    for _ in range(2):
        share, weight = mean_filter(share, _REGION_RADIUS), mean_filter(weight, _REGION_RADIUS)
    share = share / weight.clamp(min=1e-6)
    if (share[valid] > _DARK_REGION).float().mean() < _MIN_DARK_REGIONS:
        return torch.zeros_like(dark)
    in_region = ramp(share, *_REGION_SHARE) * ramp(infrared, *_SUNLIT)
    return torch.maximum(in_region.nan_to_num(0.0), dark)
