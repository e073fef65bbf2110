"""The light of the sun given back to ground that lies in the shadow of a cloud outside of the image.

In shadow a pixel shows x = a + T · (ground - a): a share T of the light reaches the ground, and the air above scatters
its own a as ever. Where no ground around is in the sun, T is told by the near infrared, in which land differs least.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unclouded.atmosphere import air_reflectance
from unclouded.bands import NAMES
from unclouded.detection.filters import mean_filter

_INFRARED = {"L1C": 0.205, "L2A": 0.236}
"""Reflectance of land in B08: the geometric means of the medians of clear images of 16 and of 64 places, which spread
by 19 and by 25 %."""

LIGHT_ERROR = 0.4
"""Standard deviation of what is added to ground in shadow, in parts of it: two thirds of the light are missing there,
and land is a quarter brighter or darker than is assumed."""

_LEAST = 0.1
"""Share of the light that shadow leaves at least."""

_AROUND = 2
"""Cells around one over which the near infrared is averaged, twice: what differs within 300 m is the ground's own."""


def light_share(infrared: Tensor, level: str) -> Tensor:
    """Share of the light that reaches the ground, (B, 1, h, w), 0.1 to 1.

    Args:
        infrared: (B, 1, h, w) reflectance of cells in B08.
        level: "L1C" or "L2A".
    """
    around = mean_filter(mean_filter(infrared, _AROUND), _AROUND)
    air = air_reflectance("B08", level)
    return ((around - air) / (_INFRARED[level] - air)).clamp(_LEAST, 1)


def relit(image: Tensor, light: Tensor, level: str, bands: Sequence[str] = NAMES) -> Tensor:
    """Bring an image (B, C, H, W) to full light.

    Args:
        image: reflectance.
        light: (B, 1, H, W) as `light_share` gives it.
        level: "L1C" or "L2A".
        bands: of the image.
    """
    air = torch.tensor([air_reflectance(band, level) for band in bands])[:, None, None].to(image)
    return air + (image - air) / light
