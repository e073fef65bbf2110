"""Detail (local contrast) of ground in the shadow of a cloud, restored to full light.

In shadow a pixel is x = a + T · (ground - a), with the share T of the light and the path reflectance a. Its detail is
that of the ground, attenuated, and the network, for which it may be of cloud, restores only a part of it. Here it is
divided by T, with a Wiener filter for what is not of the ground.
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
"""Factor of the coarse grid on which means are taken."""

_RADIUS = 2
"""Radius, in pixels of that grid, of the mean that is taken twice for the level in shadow, and for its deviation."""

SHADOW_DETAIL_RADIUS = (4 * _RADIUS + 2) * _STEP
"""Radius, in pixels, of what `ShadowDetail` depends on."""

_MIN_LIGHT = 0.25
"""Share of the light in shadow, at least. Where it seems less, the ground itself is dark."""

_CONTRAST = 0.12
"""Standard deviation of the detail of ground, relative to its level. A larger deviation comes in part from cloud."""

_RELIABLE = 0.75
"""Weight of the detail in shadow against that of the network."""

_UNSCATTERED = ("B11", "B12"), ("B8A", "B08"), ("B04",)
"""Bands by which T is estimated, the first that there is: the air scatters least in them."""


class ShadowDetail(NamedTuple):
    """Detail of the pixels in shadow.

    Attributes:
        share: (B, 1, H, W) weight of the detail, 0 to 1: certainty that a pixel shows ground in shadow, and no cloud.
        detail: (B, C, H, W) reflectance less the level.
        level: (B, C, H / 4, W / 4) mean reflectance of the pixels in shadow around.
        deviation: (B, C, H / 4, W / 4) standard deviation of the detail around.
    """

    share: Tensor
    detail: Tensor
    level: Tensor
    deviation: Tensor

    @classmethod
    def of(cls, optical: Tensor, share: Tensor) -> ShadowDetail:
        """Take the detail of an image.

        Args:
            optical: (B, C, H, W) reflectance; H and W are multiples of 4.
            share: (B, 1, H, W) certainty that a pixel lies in shadow, and not under cloud; 0 where there is no data.
        """
        around = _averaged(share).clamp(min=1e-6)
        level = _averaged(optical * share) / around
        detail = optical - _enlarged(level)
        return cls(_RELIABLE * share, detail, level, (_averaged(detail.square() * share) / around).sqrt())

    def cropped(self, box: Box) -> ShadowDetail:
        """The part in a box, whose sides are multiples of 4."""
        coarse = (..., *box.cells(_STEP))
        return ShadowDetail(*(x[(..., *box.slices)] for x in self[:2]), *(x[coarse] for x in self[2:]))

    def over(self, ground: Tensor, own: Tensor, bands: Sequence[str]) -> Tensor:
        """The ground (B, C, H, W) with the detail of the pixels in shadow in place of its own.

        Args:
            ground: (B, C, H, W) reflectance in full light.
            own: (B, C, H, W) detail of the ground.
            bands: of the scene.
        """
        lit = F.avg_pool2d(ground, _STEP)
        light = torch.ones_like(lit[:, :1])
        known = (INDEX[name] for names in _UNSCATTERED for name in names if name in bands)
        if (band := next(known, None)) is not None:
            light = (self.level[:, [band]] / lit[:, [band]].clamp(min=1e-3)).clamp(_MIN_LIGHT, 1)
        expected = light * _CONTRAST * lit.clamp(min=0)
        signal = (expected / self.deviation.clamp(min=1e-4)).square().clamp(max=1)
        detail = _enlarged(signal / light).mul_(self.detail).sub_(own)
        return torch.addcmul(ground, self.share, detail)


def _averaged(x: Tensor) -> Tensor:
    return mean_filter(mean_filter(F.avg_pool2d(x, _STEP), _RADIUS), _RADIUS)


def _enlarged(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=_STEP, mode="bilinear", align_corners=False)
