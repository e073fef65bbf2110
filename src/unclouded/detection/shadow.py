"""Land too dark to be sunlit, where shadow is believable with no cloud in sight; and water, where it is not.

The cloud that casts a shadow may stand outside of the image, and over dark land detectors see shadow that is none. In
the near infrared what is left without the sun is little, since the sky is dark there, and sunlit land is bright, spruce
forest too (0.15 to 0.2): clouds' shadows are looked for in this band (Zhu and Woodcock 2012, section 3.2). Water is as
dark, and told by its green, which exceeds the near infrared or comes near it. Burnt, black and wet ground are as dark,
and told by their short-wave infrared, which exceeds the near infrared: the sky sends next to none.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unclouded.atmosphere import air_reflectance
from unclouded.detection.filters import mean_filter
from unclouded.detection.ramp import ramp

_DARK = {"L1C": (0.09, 0.13), "L2A": (0.08, 0.12)}
"""Reflectance in the near infrared up to which land is surely too dark to be sunlit, and from which on it need not."""

_LAND = {"L1C": (0.75, 0.95), "L2A": (1.2, 1.7)}
"""Near infrared, in greens, up to which it is surely water, and from which on it is surely land: what is seen from
above the atmosphere has the light that the air scatters besides, most of it in the green."""

_SHORT_WAVE = {"B11": (1.1, 1.5), "B12": (0.8, 1.2)}
"""Short-wave infrared, in near infrareds, up to which land may lie in shadow, and from which on it does not."""

_REGION = 4
"""Pixels of the detector's grid, of 40 m, over which the share of land too dark to be sunlit is averaged, twice: bright
fields in shadow are not too dark by themselves."""

_MOSTLY, _LEAST_SHADED = 0.6, 0.02
"""Such share around a pixel from which on a region is all too dark, and the share of a small scene that such regions
have if they lie in the shadow of a cloud outside of it: of 189 clear images of up to 3 km none has more than 0.003, and
of 4,769 chips of clear images two have more, both of one image."""

_REGION_SHARE = 0.15, 0.3
"""Share around a pixel from which on it may lie in shadow, and from which on it does, in such a scene."""

_SUNLIT = 0.19, 0.14
"""Reflectance in the near infrared from which on it does not, as it lies in the sun, and up to which it may."""

_FLOODED = 0.2, 0.0
"""Normalised difference of green and short-wave infrared from which on dark land is flooded, and up to which it is not:
in shadow, without the light of the air, land is as much brighter in the short-wave infrared as in the sun."""

_HAZY = 0.035, 0.02
"""What haze adds to the blue from which on the pixels do not tell the ground's light, and up to which they do; of real
ground in shadow under clear air, without what the air adds, the medians of scenes are -0.02 to 0.01."""

_GREENER = {"L1C": (0.3, 0.6), "L2A": (0.1, 0.4)}
"""Normalised difference of green and short-wave infrared from which on it may be water, and from which on it is (the
modified water index, Xu 2006): of shadow above the atmosphere the scattered light makes it as large as 0.2."""

_WATER = {"L1C": (0.8, 0.95), "L2A": (1.0, 1.3)}
"""Near infrared, in greens, up to which what passes for water by that index is, and from which on it is not."""

_BRIGHT = {"L1C": (0.055, 0.075), "L2A": (0.04, 0.07)}
"""Near infrared up to which it may be water, and from which on it may be land: snow passes for water by the others, and
so does land in shadow through thin cloud, which brightens it."""


def water(reflectance: Tensor, bands: Sequence[str], level: str) -> Tensor:
    """How surely each pixel is of open water, (B, 1, h, w), 0 to 1; 0 without short-wave infrared (B11) or data.

    Water is as dark with the sun as without it in the bands that shadow is seen in. Arguments of `too_dark`.
    """
    if "B11" not in bands:
        return reflectance.new_zeros(reflectance[:, :1].shape)
    green, infrared, short = (reflectance[:, bands.index(name), None] for name in ("B03", "B08", "B11"))
    index = (green - short) / (green + short).clamp(min=1e-3)
    least, enough = _GREENER[level]
    darker, other = _WATER[level]
    share = infrared / green.clamp(min=1e-3)
    greener = ramp(index, least, enough)
    darker_than_green = ramp(share, other, darker)
    surely, hardly = _BRIGHT[level]
    dark = ramp(infrared, hardly, surely)
    return (greener * darker_than_green * dark).nan_to_num(0.0)


def too_dark(reflectance: Tensor, bands: Sequence[str], level: str) -> Tensor:
    """How surely each pixel is of land that the sun does not reach, (B, 1, h, w), 0 to 1; 0 where there is no data.

    Args:
        reflectance: (B, C, h, w) on the detector's grid, NaN where there is no data.
        bands: the name of each channel; B03 and B08 among them, and B11 and B12 if available.
        level: "L1C" or "L2A".
    """
    green, infrared = (reflectance[:, bands.index(name), None] for name in ("B03", "B08"))
    surely, hardly = _DARK[level]
    water, other = _LAND[level]
    land = (infrared - water * green) / ((other - water) * green).clamp(min=1e-3)
    shaded = ramp(infrared, hardly, surely) * land.clamp(0, 1)
    for name, (still, other) in _SHORT_WAVE.items():
        if name in bands:
            share = reflectance[:, bands.index(name), None] / infrared.clamp(min=1e-3)
            shaded = shaded * ramp(share, other, still)
    return shaded.nan_to_num(0.0)


def shaded_regions(dark: Tensor, reflectance: Tensor, bands: Sequence[str], level: str) -> Tensor:
    """How surely the pixels of a scene whose surroundings are not known lie in shadow, (1, 1, h, w), 0 to 1.

    Flooded fields, which are as dark, are told as water is, after the light of the air has been taken off. Under haze
    nothing is believed: what it scatters would be taken for the ground's light (see `detection.haze` for its sign).

    Args:
        dark: (1, 1, h, w) how surely they are land that the sun does not reach, see `too_dark`.
        reflectance: (1, C, h, w) on the detector's grid, NaN where there is no data.
        bands: the name of each channel. Without short-wave infrared the land may be burnt or wet: nothing is believed.
        level: "L1C" or "L2A".
    """
    infrared = reflectance[:, bands.index("B08"), None]
    held = infrared.isfinite()
    short = [name for name in _SHORT_WAVE if name in bands]
    if not short or not held.any():
        return torch.zeros_like(dark)
    blue, green, red, wet = (
        reflectance[:, bands.index(name), None] - air_reflectance(name, level)
        for name in ("B02", "B03", "B04", short[0])
    )
    dry = ramp((green - wet) / (green + wet).clamp(min=1e-3), *_FLOODED).nan_to_num(0.0)
    bare = ramp(blue - torch.maximum(red, wet) / 2, *_HAZY).nan_to_num(0.0)
    dark = torch.where(held, dark * dry * bare, 0)
    share, known = dark, held.to(dark)
    for _ in range(2):
        share, known = mean_filter(share, _REGION), mean_filter(known, _REGION)
    share = share / known.clamp(min=1e-6)
    if (share[held] > _MOSTLY).float().mean() < _LEAST_SHADED:
        return torch.zeros_like(dark)
    among = ramp(share, *_REGION_SHARE) * ramp(infrared, *_SUNLIT)
    return torch.maximum(among.nan_to_num(0.0), dark)
