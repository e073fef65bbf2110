"""Radiometric correction of ground that lies in the shadow of a cloud outside of the image.

In shadow a pixel is x = a + T · (ground - a): a share T of the light reaches the ground, while the path reflectance a
is unchanged. Where no ground around is sunlit, T is estimated by the near infrared, in which land differs least.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unclouded.atmosphere import air_reflectance
from unclouded.bands import NAMES
from unclouded.detection.filters import mean_filter

_INFRARED = {"L1C": 0.205, "L2A": 0.236}
"""Reflectance of land in B08: geometric means of the medians of clear images of 16 and of 64 places, with standard
deviations of 19 and 25 %."""

LIGHT_ERROR = 0.4
"""Relative standard deviation of the correction: shadow takes two thirds of the light, and land is a quarter brighter
or darker than assumed."""

_MIN_LIGHT = 0.1
"""Share of the light in shadow, at least."""

_RADIUS = 2
"""Radius, in cells, of the mean of the near infrared, taken twice: differences within 300 m are of the land cover."""


def light_share(infrared: Tensor, level: str) -> Tensor:
    """Share T of the light that reaches the ground, (B, 1, h, w), 0.1 to 1.

    Args:
        infrared: (B, 1, h, w) reflectance of the ground of cells in B08.
        level: "L1C" or "L2A".
    """
    around = mean_filter(mean_filter(infrared, _RADIUS), _RADIUS)
    air = air_reflectance("B08", level)
    return ((around - air) / (_INFRARED[level] - air)).clamp(_MIN_LIGHT, 1)


def relit(image: Tensor, light: Tensor, level: str, bands: Sequence[str] = NAMES) -> Tensor:
    """Correct an image in shadow to full light, (B, C, H, W) reflectance.

    Args:
        image: (B, C, H, W) reflectance.
        light: (B, 1, H, W) `light_share`.
        level: "L1C" or "L2A".
        bands: of the image.
    """
    air = torch.tensor([air_reflectance(band, level) for band in bands])[:, None, None].to(image)
    return air + (image - air) / light
