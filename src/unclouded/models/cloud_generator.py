"""Our generator Y x Z_x -> X: adds clouds and shadows, given by a spatial latent, to a clear image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unclouded.bands import NAMES
from unclouded.models.blocks import ModulatedBlock, soften
from unclouded.models.generator import compress
from unclouded.models.observation import CELL, CONDITIONING, Observation
from unclouded.sizes import CloudSettings

_BANDS = len(NAMES)


class CloudGenerator(nn.Module):
    """x = y (1 - s) (1 - m) + c m: shadow s, then cloud of opacity m and reflectance c, over the clear image y.

    z_x is spatial, a vector per cell of 80 m, so that the cycle x -> y -> x can restore a cloud in its place without
    its position being hidden in y (steganography in cycles, Chu et al. 2017).
    """

    def __init__(self, settings: CloudSettings) -> None:
        super().__init__()
        self.settings = settings
        a, b = settings.widths
        self.describe = nn.Linear(CONDITIONING, settings.code)
        self.enter = nn.Conv2d(4 * (_BANDS + 1), a, 3, padding=1)
        self.high = ModulatedBlock(a, settings.code)
        self.down = nn.Conv2d(a, b, 2, stride=2)
        self.place = nn.Conv2d(settings.latent, b, 3, padding=1)
        self.low = nn.ModuleList(ModulatedBlock(b, settings.code) for _ in range(2))
        self.up = nn.ConvTranspose2d(b, a, 2, stride=2)
        self.high_again = ModulatedBlock(a, settings.code)
        self.leave = nn.Conv2d(a, 4 * (_BANDS + 2), 3, padding=1)
        for parameter in self.leave.parameters():
            nn.init.normal_(parameter, std=0.01)

    def forward(self, y: Observation, z: Tensor) -> Tensor:
        """Cloud the clear image `y` (H, W multiples of `CELL`) under `z` (B, Z, H / 8, W / 8): (B, 13, H, W)."""
        code = F.leaky_relu(self.describe(y.conditioning), 0.1)
        h = self.high(self.enter(F.pixel_unshuffle(torch.cat([compress(y.optical), y.valid], dim=1), 2)), code)
        sky = F.interpolate(self.place(z), scale_factor=CELL // 4, mode="bilinear", align_corners=False)
        w = self.down(h) + sky
        for block in self.low:
            w = block(w, code)
        h = self.high_again(h + self.up(w), code)
        colour, logits = torch.split(soften(F.pixel_shuffle(self.leave(h), 2)).float(), [_BANDS, 2], dim=1)
        # Starts at half opacity and the brightness of thin cloud, where both have useful gradients.
        cloud = 0.1 * torch.sinh(2 + 4 * torch.tanh(colour))
        # Shadow starts faint, since most of an image is sunlit.
        opacity, shadow = torch.sigmoid(4 * logits[:, :1]), torch.sigmoid(4 * logits[:, 1:] - 2)
        x = torch.lerp(y.optical * (1 - shadow), cloud.clamp(min=0), opacity)
        return x * y.present[:, :, None, None]
