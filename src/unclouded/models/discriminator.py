"""The discriminator D_Y: tells real clear images from cleared ones, patch by patch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from unclouded.bands import NAMES
from unclouded.models.generator import Observation, compress


class Discriminator(nn.Module):
    """Spectrally normalised convolutions (Miyato et al. 2018) that score overlapping patches of 140 m to 460 m.

    Knows which bands are there and the processing level, so that an absent band gives nothing away.
    """

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        sizes = (4 * len(NAMES) + len(NAMES) + 1, width, 2 * width, 2 * width)
        self.layers = nn.ModuleList(
            spectral_norm(nn.Conv2d(a, b, 4 if stride == 2 else 3, stride, 1))
            for a, b, stride in zip(sizes, sizes[1:], (1, 2, 2), strict=False)
        )
        self.score = spectral_norm(nn.Conv2d(sizes[-1], 1, 3, padding=1))

    def forward(self, image: Tensor, like: Observation) -> Tensor:
        """Score `image` (B, 13, H, W; H and W multiples of 8) known as `like` is: (B, 1, H / 8, W / 8)."""
        fine = F.pixel_unshuffle(compress(image) * like.present[:, :, None, None], 2)
        known = torch.cat([like.present, like.level[:, None]], dim=1)[:, :, None, None]
        h = torch.cat([fine, known.expand(-1, -1, *fine.shape[-2:])], dim=1)
        for layer in self.layers:
            h = F.leaky_relu(layer(h), 0.2)
        out: Tensor = self.score(h)
        return out
