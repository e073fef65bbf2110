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
from torch.nn import functional as F

from unclouded.bands import INDEX
from unclouded.detection.filters import mean_filter
from unclouded.tiles import Box

_STEP = 4
"""Pixels along those in which means are taken."""

_WINDOW = 2
"""Of these, around one, over which the level of what lies in shadow is averaged, twice; and then its roughness."""

SHADOW_DETAIL_RADIUS = (4 * _WINDOW + 2) * _STEP
"""Pixels beyond which nothing matters to `ShadowDetail`."""

_LEAST_LIGHT = 0.25
"""Share of the light that shadow leaves at least. Where it seems less, the ground itself is dark."""

_CONTRAST = 0.12
"""Standard deviation of the detail of ground, in parts of its level. What departs more is cloud in part."""

_RELIABLE = 0.75
"""How far the detail in shadow is of the ground; else the network's stays."""

_UNSCATTERED = ("B11", "B12"), ("B8A", "B08"), ("B04",)
"""Bands by which T is told, the first of which one is there: the air scatters least in them."""


class ShadowDetail(NamedTuple):
    """What pixels in shadow show.

    Attributes:
        share: (B, 1, H, W) how surely a pixel shows ground in shadow, and no cloud, 0 to 1.
        detail: (B, C, H, W) how far it departs from the reflectance of what lies in shadow around it.
        level: (B, C, H / 4, W / 4) that reflectance.
        deviation: (B, C, H / 4, W / 4) standard deviation of the detail around.
    """

    share: Tensor
    detail: Tensor
    level: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, optical: Tensor, share: Tensor) -> ShadowDetail:
        """Look at an image.

        Args:
            optical: (B, C, H, W) reflectance; H and W are multiples of 4.
            share: (B, 1, H, W) how surely a pixel lies in shadow, and under no cloud; 0 where there is no data.
        """
        around = _averaged(share).clamp(min=1e-6)
        level = _averaged(optical * share) / around
        detail = optical - _enlarged(level)
        return cls(_RELIABLE * share, detail, level, (_averaged(detail.square() * share) / around).sqrt())

    def cropped(self, box: Box) -> ShadowDetail:
        """A box of it, whose sides are multiples of 4."""
        coarse = (..., *box.cells(_STEP))
        return ShadowDetail(*(x[(..., *box.slices)] for x in self[:2]), *(x[coarse] for x in self[2:]))

    def over(self, ground: Tensor, own: Tensor, bands: Sequence[str]) -> Tensor:
        """The ground (B, C, H, W) with the detail laid over it, as far as it lies in shadow.

        Args:
            ground: (B, C, H, W) in full light, in reflectance.
            own: (B, C, H, W) the detail that it has, which is taken off.
            bands: that are there.
        """
        lit = F.avg_pool2d(ground, _STEP)
        light = torch.ones_like(lit[:, :1])
        known = (INDEX[name] for names in _UNSCATTERED for name in names if name in bands)
        if (band := next(known, None)) is not None:
            light = (self.level[:, [band]] / lit[:, [band]].clamp(min=1e-3)).clamp(_LEAST_LIGHT, 1)
        expected = light * _CONTRAST * lit.clamp(min=0)
        signal = (expected / self.deviation.clamp(min=1e-4)).square().clamp(max=1)
        detail = _enlarged(signal / light).mul_(self.detail).sub_(own)
        return torch.addcmul(ground, self.share, detail)


def _averaged(x: Tensor) -> Tensor:
    return mean_filter(mean_filter(F.avg_pool2d(x, _STEP), _WINDOW), _WINDOW)


def _enlarged(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=_STEP, mode="bilinear", align_corners=False)
