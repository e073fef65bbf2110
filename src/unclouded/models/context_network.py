"""The coarse network of our generator: encodes the cells of a scene into trust and features."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unclouded.models.blocks import ModulatedBlock
from unclouded.models.generator import STATISTICS, SceneContext
from unclouded.models.observation import CONDITIONING
from unclouded.sizes import GeneratorSettings


class ContextNetwork(nn.Module):
    """U-Net of three scales over cells of 80 m, which finds the clear ground of a scene."""

    margin = 40
    """Radius of the receptive field, in cells."""

    def __init__(self, settings: GeneratorSettings) -> None:
        super().__init__()
        a, b, c = settings.context_widths
        self.describe = nn.Linear(CONDITIONING, settings.code)
        self.enter = nn.Conv2d(STATISTICS + settings.cover, a, 3, padding=1)
        self.high = nn.ModuleList(ModulatedBlock(a, settings.code) for _ in range(2))
        self.down1 = nn.Conv2d(a, b, 2, stride=2)
        self.middle = nn.ModuleList(ModulatedBlock(b, settings.code) for _ in range(2))
        self.down2 = nn.Conv2d(b, c, 2, stride=2)
        self.low = nn.ModuleList(ModulatedBlock(c, settings.code) for _ in range(2))
        self.up2 = nn.ConvTranspose2d(c, b, 2, stride=2)
        self.up1 = nn.ConvTranspose2d(b, a, 2, stride=2)
        self.leave = nn.Conv2d(a, 1 + settings.features, 1)

    def forward(self, statistics: Tensor, conditioning: Tensor) -> SceneContext:
        """Encode the cells' `statistics` (B, S, h, w) of `Generator.summarise`.

        Args:
            statistics: of the cells.
            conditioning: of the cells (B, h, w, 16), or of each image (B, 1, 1, 16), see `conditioning_of`.
        """
        height, width = statistics.shape[-2:]
        margins = (0, -width % 4, 0, -height % 4)
        code = F.leaky_relu(self.describe(conditioning), 0.1)
        if code.shape[1:3] != (1, 1):
            # Replicated, so that a guide does not fade at the edge of the scene.
            code = F.pad(code.permute(0, 3, 1, 2), margins, mode="replicate").permute(0, 2, 3, 1)
        h = self.enter(F.pad(statistics, margins))
        for block in self.high:
            h = block(h, code)
        m = self.down1(h)
        for block in self.middle:
            m = block(m, code)
        w = self.down2(m)
        for block in self.low:
            w = block(w, code)
        h = h + self.up1(m + self.up2(w))
        out = self.leave(h)[..., :height, :width]
        return SceneContext(torch.sigmoid(out[:, :1]), out[:, 1:])
