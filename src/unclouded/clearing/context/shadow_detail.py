"""What ground in the shadow of a cloud shows of itself, brought to the light of the ground around.

In shadow a pixel is seen in a share T of the light, besides what the air scatters: x = a + T · (ground - a). Its detail
is that of the ground, weakened, and a network that has to reckon with cloud in it gives but a part of that back. Here
it is divided by T, as far as it may be of ground (Wiener's filter).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from unclouded.bands import INDEX
from unclouded.detection.windows import partial_mean

_WINDOW = 8
"""Pixels around one over which the level of what lies in shadow is averaged, twice; and then its contrast."""

SHADOW_REACH = 4 * _WINDOW
"""Pixels beyond which nothing matters to `ShadowDetail`."""

_LEAST_LIGHT = 0.25
"""Share of the light that shadow leaves at least. Where it seems less, the ground itself is dark."""

_CONTRAST = 0.12
"""Standard deviation of the detail of ground, in parts of its level. What departs more is cloud in part."""

_RELIABLE = 0.75
"""How far the detail in shadow is of the ground; else the network's is laid there."""

_UNSCATTERED = ("B11", "B12"), ("B8A", "B08"), ("B04",)
"""Bands by which T is told, the first of which one is there: the air scatters least in them."""


class ShadowDetail(NamedTuple):
    """What pixels in shadow show.

    Attributes:
        share: (B, 1, H, W) how surely a pixel shows ground in shadow, and no cloud, 0 to 1.
        level: (B, C, H, W) reflectance of what lies in shadow around it.
        detail: (B, C, H, W) how far the pixel departs from that.
        deviation: (B, C, H, W) standard deviation of the detail around it.
    """

    share: Tensor
    level: Tensor
    detail: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, optical: Tensor, share: Tensor) -> ShadowDetail:
        """Look at an image.

        Args:
            optical: (B, C, H, W) reflectance.
            share: (B, 1, H, W) how surely a pixel lies in shadow, and under no cloud; 0 where there is no data.
        """
        around = _averaged(share).clamp(min=1e-6)
        level = _averaged(optical * share) / around
        detail = optical - level
        return cls(_RELIABLE * share, level, detail, (_averaged(detail.square() * share) / around).sqrt())

    def cropped(self, rows: slice, columns: slice) -> ShadowDetail:
        """A window of it."""
        return ShadowDetail(*(part[..., rows, columns] for part in self))

    def over(self, ground: Tensor, bands: Sequence[str]) -> Tensor:
        """The ground (B, 13, H, W) with the detail laid over it.

        Args:
            ground: (B, 13, H, W) its level in full light, in reflectance.
            bands: that are there.
        """
        light = torch.ones_like(self.share)
        known = (INDEX[name] for names in _UNSCATTERED for name in names if name in bands)
        if (band := next(known, None)) is not None:
            light = (self.level[:, [band]] / ground[:, [band]].clamp(min=1e-3)).clamp(_LEAST_LIGHT, 1)
        expected = light * _CONTRAST * ground.clamp(min=0)
        signal = (expected / self.deviation.clamp(min=1e-4)).square().clamp(max=1)
        return ground + signal / light * self.detail


def _averaged(x: Tensor) -> Tensor:
    return partial_mean(partial_mean(x, _WINDOW), _WINDOW)
