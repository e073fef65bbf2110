"""Radiometric correction of ground that lies in the shadow of a cloud outside of the image.

In shadow a pixel is x = a + T · (ground - a): a share T of the light reaches the ground, while the path reflectance a
is unchanged. T is estimated by the near infrared: of the sunlit ground around, or, where there is none, of land as it
mostly is, since land differs least in this band.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
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

_RADIUS, _RADIUS_BESIDE_SUNLIT = 2, 8
"""Radii, in cells, of the mean over which T is estimated, taken twice: differences within 300 m are of the land cover;
beside ground in the sun, whose land cover may be another, the whole of the shadow tells it best."""

_DOUBT = 0.1
"""Share of sunlit ground around at which its near infrared is believed as much as that of land as it mostly is."""


class Shade(NamedTuple):
    """Shadow of a cloud outside of a small scene.

    Attributes:
        level: "L1C" or "L2A" of the scene.
        certainty: (h, w) of each cell that it lies in the umbra, under no cloud; 1 in all cells if `everywhere`.
        everywhere: whether no ground of the scene is sunlit: T is estimated by land as it mostly is.
    """

    level: str
    certainty: NDArray[np.float32]
    everywhere: bool


def light_everywhere(infrared: Tensor, level: str) -> Tensor:
    """Share T of the light that reaches the ground of a scene all in shadow, (B, 1, h, w), 0.1 to 1.

    Args:
        infrared: (B, 1, h, w) reflectance of the ground of cells in B08.
        level: "L1C" or "L2A".
    """
    land = torch.full_like(infrared, _INFRARED[level])
    return _light(infrared, land, torch.ones_like(infrared), level, _RADIUS)


def light_beside_sunlit(infrared: Tensor, sunlit: Tensor, clear: Tensor, shaded: Tensor, level: str) -> Tensor:
    """Share T of the light that reaches ground in shadow beside sunlit ground, (B, 1, h, w), 0.1 to 1.

    Args:
        infrared: (B, 1, h, w) reflectance of cells in B08.
        sunlit: (B, 1, h, w) the same of the sunlit ground around.
        clear: (B, 1, h, w) share of the area around in which it is seen.
        shaded: (B, 1, h, w) share of the cell that lies in shadow.
        level: "L1C" or "L2A".
    """
    land = torch.lerp(torch.full_like(sunlit, _INFRARED[level]), sunlit, clear / (clear + _DOUBT))
    return _light(infrared, land, shaded, level, _RADIUS_BESIDE_SUNLIT)


def _light(infrared: Tensor, land: Tensor, weight: Tensor, level: str, radius: int) -> Tensor:
    """Ratio of the weighted means of what is seen and of the `land` in full light, without path reflectance."""
    air = air_reflectance("B08", level)
    seen, full = (infrared - air) * weight, (land - air) * weight
    for _ in range(2):
        seen, full = mean_filter(seen, radius), mean_filter(full, radius)
    return (seen / full.clamp(min=1e-6)).clamp(_MIN_LIGHT, 1)


def relit(image: Tensor, light: Tensor, level: str, bands: Sequence[str] = NAMES) -> Tensor:
    """Correct an image in shadow to full light, (B, C, H, W) reflectance.

    Args:
        image: (B, C, H, W) reflectance.
        light: (B, 1, H, W) share T of the light.
        level: "L1C" or "L2A".
        bands: of the image.
    """
    air = torch.tensor([air_reflectance(band, level) for band in bands])[:, None, None].to(image)
    return air + (image - air) / light
