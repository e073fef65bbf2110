"""Simulated errors of detectors and masks: the cover input of simulated skies, wrong in extent, position and objects.

A network with the cover as input learns from these how far to rely on it. Masks are thresholded at a random opacity,
miss shadows or objects, contain false ones, are dilated or eroded, and shifted; most of them lie on a grid of 40 m, as
`detection.opacity.evidence` does, the others on that of the pixels, as a user's mask.
"""

from __future__ import annotations

import math

import torch
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from unclouded.data.clouds import Sky
from unclouded.detection.opacity import RIM_RADIUS, cover, dilate

_UNKNOWN = 0.25
"""Share of the skies without cover as input."""

_COARSE = 0.75
"""Share of the masks on the detector's grid."""

_GRID = 4
"""Side of the detector's cells in pixels of 10 m."""

_GROWN, _SHIFTED = 3, 3
"""Most pixels by which a mask is dilated or eroded, and shifted."""


def draw_cover(sky: Sky, rng: torch.Generator) -> Tensor:
    """Draw the cover input of skies, (B, 1, H, W), -1 to 1, see `Observation.cover`; H and W are multiples of 4."""
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
        certainty = min(1.0, _uniform(0.7, 1.3, rng))
        covered = F.interpolate(
            dilate(certainty * F.avg_pool2d(mask, _GRID), RIM_RADIUS), scale_factor=_GRID, mode="nearest"
        )
    else:
        covered = cover(mask)
    # Clear ground is less certain in haze, see `detection.opacity.cover_input`.
    return covered - (1 - covered) * min(1.0, _uniform(0, 2.5, rng))


def _without_some(mask: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """Remove a random `share` of a mask's objects."""
    objects, count = ndimage.label(mask[0, 0].numpy())
    kept = torch.rand(count + 1, generator=rng) >= share
    return mask & kept[torch.from_numpy(objects).long()]


def _discs(mask: Tensor, rng: torch.Generator) -> Tensor:
    """Draw up to six false objects: discs with a radius of 20 to 300 m."""
    height, width = mask.shape[-2:]
    rows, columns = torch.arange(height)[:, None], torch.arange(width)
    made = torch.zeros_like(mask)
    for row, column, radius in torch.rand(1 + int(_uniform(0, 6, rng)), 3, generator=rng).tolist():
        away = (rows - row * height) ** 2 + (columns - column * width) ** 2
        made |= away < (2 * 15**radius) ** 2
    return made


def _grown(mask: Tensor, by: int) -> Tensor:
    """Dilate a mask by so many pixels; erode it if that is negative."""
    side = 2 * abs(by) + 1
    if by >= 0:
        return F.max_pool2d(mask, side, stride=1, padding=by)
    return -F.max_pool2d(-mask, side, stride=1, padding=-by)


def _uniform(low: float, high: float, rng: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=rng))


def _integer(most: int, rng: torch.Generator) -> int:
    """Draw from -most to most."""
    return int(torch.randint(-most, most + 1, (), generator=rng))
