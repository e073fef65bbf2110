"""The encoders E_Y and E_X: from a pair of images, cloudy and clear, to the latent that relates them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unclouded.bands import NAMES
from unclouded.models.blocks import ChannelNorm, convolutions_to_cells
from unclouded.models.generator import compress
from unclouded.models.observation import CELL, Observation, in_blocks

_CHANNELS = (64, 64, 128)
"""Of the layers."""


class Encoder(nn.Module):
    """(X x Y) -> Z, for either latent (Almahairi et al. 2018, section 4).

    Pools over the image, where the published one takes 64 x 64 pixels only; normalises over channels, where the
    published batch norm fails at a batch of one. A spatial latent has one vector per cell of 80 m.
    """

    def __init__(self, latent: int, *, spatial: bool) -> None:
        """Encode into `latent` numbers, of the whole image or, if `spatial`, of each of its cells."""
        super().__init__()
        self.spatial = spatial
        channels = (4 * 2 * len(NAMES) + len(NAMES) + 1, *_CHANNELS)
        self.layers = convolutions_to_cells(channels)
        self.norms = nn.ModuleList(ChannelNorm(count) for count in _CHANNELS)
        self.leave = nn.Conv2d(_CHANNELS[-1], latent, 1)

    def forward(self, cloudy: Tensor, clear: Tensor, like: Observation) -> Tensor:
        """Encode images (B, 13, H, W; multiples of 8), with the bands and level of `like`.

        Returns:
            (B, Z), or (B, Z, H / 8, W / 8) if the latent is spatial.
        """
        pair = torch.cat([compress(cloudy), compress(clear)], dim=1) * like.present.repeat(1, 2)[:, :, None, None]
        h = in_blocks(pair, like)
        for layer, norm in zip(self.layers, self.norms, strict=True):
            h = F.leaky_relu(norm(layer(h)), 0.2)
        code: Tensor = self.leave(h if self.spatial else h.mean(dim=(2, 3), keepdim=True))
        return (code if self.spatial else code.flatten(1)).float()


def latent_shape(latent: int, spatial: bool, height: int, width: int) -> tuple[int, ...]:
    """Shape of one image's latent: (Z,), or (Z, H / 8, W / 8) if it is spatial."""
    return (latent, height // CELL, width // CELL) if spatial else (latent,)
