"""Bright roofs painted on clear images: what a network must learn not to take for small clouds.

Towns are rare in small collections of clear images, and large bright roofs, which stand out from their surroundings as
cumulus does, rarer still. Unlike cloud they have straight edges, no fringes, no shadow apart from them, and do not
shine in B10.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

# Surface reflectance of coated steel, membranes, concrete and greenhouses: plain spectra of such materials, by band.
_ROOFS = torch.tensor(
    [
        (0.31, 0.35, 0.37, 0.39, 0.40, 0.42, 0.43, 0.43, 0.43, 0.42, 0.001, 0.42, 0.39),
        (0.20, 0.26, 0.22, 0.15, 0.16, 0.20, 0.22, 0.24, 0.24, 0.23, 0.001, 0.26, 0.24),
        (0.12, 0.14, 0.17, 0.20, 0.21, 0.22, 0.23, 0.24, 0.24, 0.24, 0.001, 0.29, 0.28),
        (0.22, 0.25, 0.29, 0.28, 0.32, 0.42, 0.45, 0.46, 0.47, 0.44, 0.001, 0.30, 0.20),
    ]
)
_SHARE = 0.25
"""Of the images; the others stay as they are."""


def put_roofs(image: Tensor, path: Tensor, rng: torch.Generator) -> Tensor:
    """Paint a block of roofs on some of the clear images (B, 13, H, W), over their `path` reflectance (B, 13)."""
    image = image.clone()
    for index in range(len(image)):
        if float(torch.rand((), generator=rng)) < _SHARE:
            image[index] = _block(image[index], path[index], rng)
    return image


def _block(image: Tensor, path: Tensor, rng: torch.Generator) -> Tensor:
    """Paint up to eighty roofs that stand along one grid of streets and around one centre."""
    height, width = image.shape[-2:]
    angle = math.pi / 2 * float(torch.rand((), generator=rng))
    row, column = torch.meshgrid(torch.arange(height) - height / 2, torch.arange(width) - width / 2, indexing="ij")
    along = row * math.cos(angle) + column * math.sin(angle)
    across = column * math.cos(angle) - row * math.sin(angle)
    reach = (0.1 + 0.4 * torch.rand((), generator=rng)) * max(height, width)
    centre = (torch.rand(2, generator=rng) - 0.5) * max(height, width)
    for _ in range(int(torch.randint(4, 80, (), generator=rng))):
        u, v = centre + reach * torch.randn(2, generator=rng)
        half = 0.8 * torch.exp(1.8 * torch.rand(2, generator=rng))
        # A roof's edge covers a part of its pixels.
        cover = (half[0] + 0.5 - (along - u).abs()).clamp(0, 1) * (half[1] + 0.5 - (across - v).abs()).clamp(0, 1)
        kind = _ROOFS[int(torch.randint(len(_ROOFS), (), generator=rng))]
        light = torch.exp(0.3 * torch.randn((), generator=rng) + 0.05 * torch.randn(len(kind), generator=rng))
        image = torch.lerp(image, (path + kind * light)[:, None, None], cover)
    return image
