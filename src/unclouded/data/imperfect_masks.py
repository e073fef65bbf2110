"""What a detector or a user's mask may say of a simulated sky: masks too small or too large, and wrong in places.

A network with the cover as input learns from these how far to believe it. They are thresholded at any opacity, without
the shadows or with objects left out and others that are none, widened or shrunk, and shifted; most of them on a grid of
40 m, as `detection.opacity.evidence` is, the others pixel by pixel, as a mask that is given.
"""

from __future__ import annotations

import math

import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from unclouded.data.clouds import Sky
from unclouded.detection.opacity import RIM, cover, widen

_UNKNOWN = 0.25
"""Share of the skies of which nothing is said."""

_COARSE = 0.75
"""Share of the masks that are on the detector's grid."""

_GRID = 4
"""Pixels of 10 m along one of it."""

_GROWN, _SHIFTED = 3, 3
"""Pixels by which a mask is widened or shrunk, and shifted, at most."""


def draw_cover(sky: Sky, rng: torch.Generator) -> Tensor:
    """Draw what is said of skies, (B, 1, H, W), see `Observation.cover`. H and W are multiples of 4."""
    pairs = zip(torch.split(sky.cloud, 1), torch.split(sky.shadow, 1), strict=True)
    return torch.cat([_draw(cloud, shadow, rng) for cloud, shadow in pairs])


def _draw(cloud: Tensor, shadow: Tensor, rng: torch.Generator) -> Tensor:
    if _uniform(0, 1, rng) < _UNKNOWN:
        return torch.zeros_like(cloud)
    mask = cloud > math.exp(_uniform(math.log(0.1), math.log(0.6), rng))
    if _uniform(0, 1, rng) < 0.85:
        mask |= shadow > _uniform(0.15, 0.5, rng)
    if _uniform(0, 1, rng) < 0.3:
        mask = _without_some(mask, _uniform(0, 0.4, rng), rng)
    if _uniform(0, 1, rng) < 0.3:
        mask |= _discs(mask, rng)
    mask = torch.roll(
        _grown(mask.float(), _integer(_GROWN, rng)), (_integer(_SHIFTED, rng), _integer(_SHIFTED, rng)), (2, 3)
    )
    if _uniform(0, 1, rng) < _COARSE:
        sure = min(1.0, _uniform(0.7, 1.3, rng))
        covered = F.interpolate(widen(sure * F.avg_pool2d(mask, _GRID), RIM), scale_factor=_GRID, mode="nearest")
    else:
        covered = cover(mask)
    # Outside it says less in haze, see `detection.opacity.cover_input`.
    return covered - (1 - covered) * min(1.0, _uniform(0, 2.5, rng))


def _without_some(mask: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Leave a `share` of a mask's objects out."""
    objects, count = ndimage.label(mask[0, 0].numpy())
    kept = torch.rand(count + 1, generator=rng) >= share
    return mask & kept[torch.from_numpy(objects).long()]


def _discs(mask: Tensor, rng: torch.Generator) -> Tensor:
    """Draw up to six discs of 20 to 300 m of radius, which nothing hides."""
    height, width = mask.shape[-2:]
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    made = torch.zeros_like(mask)
    for row, column, radius in torch.rand(1 + int(_uniform(0, 6, rng)), 3, generator=rng).tolist():
        away = (rows - row * height) ** 2 + (columns - column * width) ** 2
        made |= away < (2 * 15**radius) ** 2
    return made


def _grown(mask: Tensor, by: int) -> Tensor:
    """Widen a mask by so many pixels; shrink it if that is negative."""
    side = 2 * abs(by) + 1
    if by >= 0:
        return F.max_pool2d(mask, side, stride=1, padding=by)
    return -F.max_pool2d(-mask, side, stride=1, padding=-by)


def _uniform(low: float, high: float, rng: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=rng))


def _integer(most: int, rng: torch.Generator) -> int:
    """Draw from -most to most."""
    return int(torch.randint(-most, most + 1, (), generator=rng))
