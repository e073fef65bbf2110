"""Sun and viewing geometry of simulated skies: where shadows fall, and where each band sees a cloud."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from unclouded.data.cloud_fields import BORDER, blur, inside, uniform

# Order in which the detectors see a point, 0 to 1 (Sentinel-2 MSI focal plane; ESA, Sentinel-2 User Handbook).
_DETECTION = (0.95, 0.0, 0.2, 0.4, 0.45, 0.55, 0.65, 0.1, 0.75, 1.0, 0.3, 0.5, 0.85)

_REFERENCE = 0.4
"""Place in that order, that of B04, at which the true cloud mask lies."""

_PARALLAX = 0.022
"""Metres between first and last band per metre of a cloud's height: 2.6 s of flight at 786 km."""

_TOPS = (0.0, 0.4, 1.0)
"""Levels between base (0) and top (1) of a cloud that cast shadows."""


class SunGeometry(NamedTuple):
    """Geometry of a batch of skies.

    Attributes:
        height: (batch,) of cloud bases, in metres.
        shadow: (batch, 2) displacement of shadows along rows and columns, in pixels per metre of height.
        track: (batch, 2) unit vector of the satellite's direction of flight along rows and columns.
    """

    height: Tensor
    shadow: Tensor
    track: Tensor


def sun_geometry(batch: int, rng: torch.Generator, sun: tuple[float, float] | None) -> SunGeometry:
    """Draw cloud heights, and, unless elevation and azimuth of the sun (radians) are given, sun and orientation."""
    height = torch.exp(math.log(800) + 0.55 * torch.randn(batch, generator=rng)).clamp(200, 3_500)
    turn = 2 * math.pi * torch.rand(batch, generator=rng)
    if sun is None:
        elevation = math.radians(20) + math.radians(48) * torch.rand(batch, generator=rng)
        # The overpass is at 10:30 local time: the sun is in the south-east, south of the equator in the north-east.
        azimuth = math.radians(130) + math.radians(45) * torch.rand(batch, generator=rng)
        azimuth = torch.where(torch.rand(batch, generator=rng) < 0.25, math.pi - azimuth, azimuth)
    else:
        elevation, azimuth, turn = torch.full((batch,), sun[0]), torch.full((batch,), sun[1]), 0 * turn
    # Rows run south, and a shadow falls away from the sun.
    angle = math.pi / 2 + azimuth + turn
    away = torch.stack([torch.sin(angle), torch.cos(angle)], dim=1) / (10 * torch.tan(elevation))[:, None]
    # Neighbouring detectors look forward and back in turn.
    track = turn + math.radians(12) + math.pi * (torch.rand(batch, generator=rng) < 0.5)
    return SunGeometry(height, away, torch.stack([torch.cos(track), torch.sin(track)], dim=1))


def slope(depth: Tensor, geometry: SunGeometry) -> Tensor:
    """Slope of the cloud's top towards the sun (B, 1, size, size), -1 to 1, by which its sides are bright or shaded."""
    top = blur(torch.log1p(depth), 5)
    dy, dx = torch.gradient(top, dim=(2, 3))
    towards = F.normalize(-geometry.shadow, dim=1)[:, :, None, None, None]
    # Depth grows inwards, so a side that faces the sun falls towards it.
    slope = -(dy * towards[:, 0] + dx * towards[:, 1])
    return torch.tanh(slope / slope.std(dim=(2, 3), keepdim=True).clamp(min=1e-6))


def cast_shadow(depth: Tensor, geometry: SunGeometry, rng: torch.Generator, bounded: Sequence[int] = ()) -> Tensor:
    """Share of the direct light that clouds take away from the ground, (B, 1, H, W).

    Each level of a cloud casts its own shadow, displaced in proportion to its height, so that the shadow is elongated.

    Args:
        depth: (B, 1, size, size) optical depth.
        geometry: of the skies.
        rng: random generator.
        bounded: indices of skies that are not periodic, so that shadows must come from within the border.
    """
    thickness = 700 * torch.rand(len(depth), generator=rng) ** 2
    shadows = []
    for index, field in enumerate(depth[:, None]):
        reach = BORDER if index in bounded else 2 * BORDER
        top = float(field.max()) / 2
        parts = []
        for level in _TOPS:
            at = geometry.height[index] + level * thickness[index]
            shift = (at * geometry.shadow[index]).clamp(-reach, reach).round().int().tolist()
            # The cloud transmits downwards what it does not reflect upwards.
            higher = 2.5 * F.relu(field - level * top)
            parts.append(torch.roll(higher / (higher + 2), shift, dims=(2, 3)))
        shadows.append(inside(blur(blur(torch.stack(parts).amax(0), 3), 3)))
    return torch.cat(shadows) * uniform(len(depth), 0.7, 1.0, rng)


def parallax(field: Tensor, height: Tensor, track: Tensor) -> Tensor:
    """A field (B, 1, size, size) at `height` (B,) in metres, displaced as each band sees it: (B, 13, H, W)."""
    displaced = []
    reach = _PARALLAX / 10 * height[:, None] * track
    for image, apart in zip(field, reach, strict=True):
        shifts = [tuple(((delay - _REFERENCE) * apart).round().int().tolist()) for delay in _DETECTION]
        moved = {shift: inside(torch.roll(image, shift, dims=(1, 2))) for shift in set(shifts)}
        displaced.append(torch.cat([moved[shift] for shift in shifts]))
    return torch.stack(displaced)
