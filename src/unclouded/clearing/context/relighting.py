"""The light of the sun given back to ground that lies in the shadow of a cloud outside of the image.

In shadow a pixel shows x = a + T · (ground - a): a share T of the light reaches the ground, and the air above scatters
its own a as ever. Where no ground around is in the sun, T is told by the near infrared, in which land differs least.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from unclouded.bands import INDEX, NAMES
from unclouded.detection.windows import partial_mean

_WAVELENGTHS = 0.443, 0.492, 0.560, 0.665, 0.704, 0.741, 0.783, 0.833, 0.865, 0.945, 1.374, 1.614, 2.202
"""Centre of each band in micrometres (Sentinel-2A)."""

_PHASE = 0.39
"""Reflectance of air in its optical thickness, 1.1 / (4 · cos 45°): scattered once, under a sun at 45 degrees."""

_INFRARED = {"L1C": 0.205, "L2A": 0.236}
"""Reflectance of land in B08: the geometric means of the medians of clear images of 16 and of 64 places, which spread
by 19 and by 25 %."""

LIGHT_ERROR = 0.3
"""Standard deviation of what is added to ground in shadow, in parts of it: two thirds of the light are missing there,
and land is a fifth brighter or darker than is assumed."""

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
    around = partial_mean(partial_mean(infrared, _AROUND), _AROUND)
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


def air_reflectance(band: str, level: str) -> float:
    """Reflectance of the air above black ground; 0 where the atmosphere has been corrected for.

    Rayleigh's scattering alone, with the optical thickness of Hansen and Travis (1974, equation 2.30).
    """
    if level == "L2A":
        return 0.0
    squared = _WAVELENGTHS[INDEX[band]] ** -2
    return _PHASE * 0.008569 * squared**2 * (1 + 0.0113 * squared + 0.00013 * squared**2)
