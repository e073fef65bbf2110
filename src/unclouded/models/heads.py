"""Heads of our generator, fitted after its training: the expected error, and the expected ground under opaque cover."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unclouded.bands import NAMES
from unclouded.models.blocks import average_over_cells, enlarge, to_grid
from unclouded.models.generator import compress
from unclouded.models.observation import CELL, CONDITIONING, GUIDE_CHANNELS, Observation, standardised_guides

_BANDS = len(NAMES)

_HIDDEN = 32
"""Channels of `ErrorHead` between its layers."""

UNTRAINED_BIAS = -30.0
"""Bias of its last layer before it is fitted, with which it predicts 0."""

_NARROW = 16
"""Channels of `GroundPrior` between its layers, few since it is fitted to a few hundred places."""

SURROUNDINGS = 2 * _BANDS + 2
"""Channels of `surroundings`."""


class ErrorHead(nn.Module):
    """Predicts the absolute error of the composed image in blocks of 2 x 2 pixels, by a perceptron for each block.

    It is fitted after the training of the network, see `training.error_head`; before, it predicts 0.
    """

    def __init__(self, features: int, context: int, code: int) -> None:
        super().__init__()
        self.see = nn.Linear(features, _HIDDEN)
        self.place = nn.Linear(context, _HIDDEN, bias=False)
        self.describe = nn.Linear(code, _HIDDEN, bias=False)
        self.weigh = nn.Linear(_HIDDEN, _HIDDEN)
        self.leave = nn.Linear(_HIDDEN, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.constant_(self.leave.bias, UNTRAINED_BIAS)

    @torch.no_grad()
    def initialise(self, rng: torch.Generator) -> None:
        """Initialise the parameters for fitting."""
        for layer in (self.see, self.place, self.describe, self.weigh):
            bound = layer.in_features**-0.5
            for parameter in layer.parameters():
                parameter.uniform_(-bound, bound, generator=rng)
        self.leave.weight.copy_(0.1 * torch.randn(self.leave.weight.shape, generator=rng))
        # About 0.01 of reflectance.
        nn.init.constant_(self.leave.bias, -2.0)

    def forward(self, features: Tensor, context: Tensor, code: Tensor) -> Tensor:
        """Predict the error (B, 1, H, W), in reflectance.

        Args:
            features: (B, C, H / 2, W / 2) of the decoder, from which the image is made.
            context: (B, K, H / 8, W / 8), of `_condition_errors`.
            code: (B, H / 2, W / 2, D) or (B, 1, 1, D), the encoded conditioning and latent.
        """
        # Bilinear interpolation and a linear layer commute, so the layer is applied to the cells, which are few.
        placed = self.enlarge(self.place(context.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
        described = to_grid(self.describe(code), features.shape[2], features.shape[3])
        found = self._combined(self.see(features.permute(0, 2, 3, 1)), placed.permute(0, 2, 3, 1), described)
        return enlarge(found.permute(0, 3, 1, 2), 2)

    def of_pixels(self, features: Tensor, context: Tensor, code: Tensor) -> Tensor:
        """Predict the error (N,) of blocks by `features` (N, C), `context` (N, K) of `enlarge`, and `code` (N, D)."""
        return self._combined(self.see(features), self.place(context), self.describe(code))[:, 0]

    @staticmethod
    def enlarge(cells: Tensor) -> Tensor:
        """Interpolate cells (B, K, h, w) to blocks of 2 x 2 pixels."""
        return enlarge(cells, CELL // 2)

    def _combined(self, features: Tensor, placed: Tensor, described: Tensor) -> Tensor:
        h = self.weigh(F.leaky_relu(features + placed + described, 0.1))
        return 0.1 * F.softplus(self.leave(F.leaky_relu(h, 0.1)).float())


class GroundPrior(nn.Module):
    """Predicts the ground of cells under opaque cover, by a perceptron for each cell.

    The conditional mean of the ground given everything except the appearance of the cover: the clear ground around,
    how far away and how variable it is, bands, level and guides. So the relief of cloud tops has no effect. It is
    fitted after the training of the network, see `training.ground_prior`.

    Attributes:
        centre: (K,) means of the features.
        spread: (K,) standard deviations of the features.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        inputs = SURROUNDINGS + len(GUIDE_CHANNELS) + CONDITIONING
        self.register_buffer("centre", torch.zeros(inputs))
        self.register_buffer("spread", torch.ones(inputs))
        # 1 x 1 convolutions, whose sums do not depend on the number of cells, so that tiles agree to the bit.
        self.see, self.weigh = nn.Conv2d(inputs, _NARROW, 1), nn.Conv2d(_NARROW, _NARROW, 1)
        self.leave = nn.Conv2d(_NARROW, _BANDS, 1)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    @staticmethod
    def features(x: Observation, context: Tensor) -> Tensor:
        """Features (B, K, h, w) of the cells of a tile x (H, W) with the `context` (B, C, h, w)."""
        guides = average_over_cells(torch.cat(standardised_guides(x), dim=1), CELL)
        conditioning = x.conditioning.permute(0, 3, 1, 2).expand(-1, -1, *context.shape[-2:])
        return torch.cat([surroundings(context), guides, conditioning], dim=1)

    @torch.no_grad()
    def initialise(self, features: Tensor, rng: torch.Generator) -> None:
        """Initialise for fitting: standardise by `features` (N, K), and predict the clear ground around."""
        self.centre.copy_(features.mean(0))
        # At least this much, so that features that hardly varied do not have large values elsewhere.
        self.spread.copy_(features.std(0).clamp(min=0.05))
        for layer in (self.see, self.weigh):
            for parameter in layer.parameters():
                parameter.uniform_(-(layer.in_channels**-0.5), layer.in_channels**-0.5, generator=rng)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor, near: Tensor) -> Tensor:
        """Predict the ground (B, 13, h, w) in reflectance.

        Args:
            features: (B, K, h, w), of `GroundPrior.features`.
            near: (B, 13, h, w) the clear ground near each cell, in reflectance.
        """
        centre, spread = (values[:, None, None] for values in (self.centre, self.spread))
        h = F.leaky_relu(self.see((features - centre) / spread), 0.1)
        added: Tensor = self.leave(F.leaky_relu(self.weigh(h), 0.1))
        return near + 0.1 * added.float()


def surroundings(context: Tensor) -> Tensor:
    """Ground (compressed), trust and variation (log) of a context (B, C, h, w), without its features."""
    ground, trust, variation = context[:, : 2 * _BANDS], context[:, 2 * _BANDS, None], context[:, -1:]
    return torch.cat([compress(ground), trust, torch.log(variation / 0.03 + 0.1)], dim=1)
