"""The discriminators: of images, D_X and D_Y, patch by patch; of latents, D_zX and D_zY."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from unclouded.bands import NAMES
from unclouded.models.blocks import convolutions_to_cells
from unclouded.models.generator import compress
from unclouded.models.observation import Observation, in_blocks

_CHANNELS = (48, 96, 96)
"""Channels of the layers of image discriminators."""

_WIDTH = 64
"""Channels of the layers of latent discriminators."""


class ImageDiscriminator(nn.Module):
    """Spectrally normalised convolutions (Miyato et al. 2018) that score overlapping patches of 140 m to 460 m.

    Conditioned on the present bands and the processing level, so that absent bands do not identify the domain.
    """

    def __init__(self, scales: int = 1) -> None:
        """Score at `scales` sizes, each half of the one before, with separate convolutions (Wang et al. 2018)."""
        super().__init__()
        self.layers = convolutions_to_cells((4 * len(NAMES) + len(NAMES) + 1, *_CHANNELS))
        self.score = spectral_norm(nn.Conv2d(_CHANNELS[-1], 1, 3, padding=1))
        self.coarse = ImageDiscriminator(scales - 1) if scales > 1 else None

    def forward(self, image: Tensor, like: Observation) -> Tensor:
        """Score `image` (B, 13, H, W; multiples of 8) with the bands and level of `like`: (B, S, H / 8, W / 8).

        There is a channel for each of the S scales, so that all have equal weight; coarse scores are repeated.
        """
        h = in_blocks(compress(image) * like.present[:, :, None, None], like)
        for layer in self.layers:
            h = F.leaky_relu(layer(h), 0.2)
        out: Tensor = self.score(h).float()
        if self.coarse is None:
            return out
        coarse = F.interpolate(self.coarse(F.avg_pool2d(image, 2), like), out.shape[-2:], mode="nearest")
        return torch.cat([out, coarse], dim=1)


class LatentDiscriminator(nn.Module):
    """Distinguishes latents of an encoder from those of the prior N(0, I).

    Convolutions are 1 x 1 for a vector, and 3 x 3 for a map, whose neighbours have to be independent, too. Without
    batch norm, which fails at a batch of one.
    """

    def __init__(self, latent: int, *, spatial: bool) -> None:
        """Score latents of `latent` numbers, one vector or, if `spatial`, one per cell."""
        super().__init__()
        self.spatial = spatial
        side, padding = (3, 1) if spatial else (1, 0)
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, side, padding=padding)) for a, b in ((latent, _WIDTH), (_WIDTH, _WIDTH))
        )
        self.score = spectral_norm(nn.Conv2d(_WIDTH, 1, 1))

    def forward(self, z: Tensor) -> Tensor:
        """Score latents (B, Z) or (B, Z, h, w): (B, 1, 1, 1) or (B, 1, h, w)."""
        h = z if self.spatial else z[:, :, None, None]
        for layer in self.layers:
            h = F.leaky_relu(layer(h), 0.2)
        out: Tensor = self.score(h)
        return out.float()
