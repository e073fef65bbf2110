"""What our generator says beside the image: the error to expect of it, and the ground to expect where nothing is seen.

Both learn when the network has learnt, and leave it as it is.
"""

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

SILENT = -30.0
"""What its last layer holds while it foresees nothing."""

_NARROW = 16
"""Channels of `GroundPrior` between its layers: it learns from a few hundred places."""

SURROUNDINGS = 2 * _BANDS + 2
"""Numbers of `surroundings`."""


class ErrorHead(nn.Module):
    """Foresees the absolute error of the composed image from what the network knows, in blocks of 2 x 2 pixels.

    It learns when the network has learnt, see `training.error_head`, and is a perceptron for each block alone. Until it
    begins to, it foresees 0.
    """

    def __init__(self, seen: int, context: int, code: int) -> None:
        super().__init__()
        self.see = nn.Linear(seen, _HIDDEN)
        self.place = nn.Linear(context, _HIDDEN, bias=False)
        self.describe = nn.Linear(code, _HIDDEN, bias=False)
        self.weigh = nn.Linear(_HIDDEN, _HIDDEN)
        self.leave = nn.Linear(_HIDDEN, 1)
        nn.init.zeros_(self.leave.weight)
        nn.init.constant_(self.leave.bias, SILENT)

    @torch.no_grad()
    def begin(self, rng: torch.Generator) -> None:
        """Initialise the values again."""
        for layer in (self.see, self.place, self.describe, self.weigh):
            bound = layer.in_features**-0.5
            for parameter in layer.parameters():
                parameter.uniform_(-bound, bound, generator=rng)
        self.leave.weight.copy_(0.1 * torch.randn(self.leave.weight.shape, generator=rng))
        # About 0.01 of reflectance.
        nn.init.constant_(self.leave.bias, -2.0)

    def forward(self, seen: Tensor, context: Tensor, code: Tensor) -> Tensor:
        """Foresee the error (B, 1, H, W).

        Args:
            seen: (B, C, H / 2, W / 2) the features that the image is drawn from.
            context: (B, K, H / 8, W / 8), as `_condition_errors` gives it.
            code: (B, H / 2, W / 2, D) or (B, 1, 1, D) the conditioning and the latent, encoded.
        """
        # As bilinear enlarging and a linear layer may be exchanged, the layer works on the cells, which are few.
        placed = self.enlarge(self.place(context.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
        described = to_grid(self.describe(code), seen.shape[2], seen.shape[3])
        found = self._found(self.see(seen.permute(0, 2, 3, 1)), placed.permute(0, 2, 3, 1), described)
        return enlarge(found.permute(0, 3, 1, 2), 2)

    def of_pixels(self, seen: Tensor, context: Tensor, code: Tensor) -> Tensor:
        """Foresee the error (N,) of blocks: `seen` (N, C), `context` (N, K) as `enlarge` gives it, `code` (N, D)."""
        return self._found(self.see(seen), self.place(context), self.describe(code))[:, 0]

    @staticmethod
    def enlarge(cells: Tensor) -> Tensor:
        """Bring cells (B, K, h, w) to blocks of 2 x 2 pixels."""
        return enlarge(cells, CELL // 2)

    def _found(self, seen: Tensor, placed: Tensor, described: Tensor) -> Tensor:
        h = self.weigh(F.leaky_relu(seen + placed + described, 0.1))
        return 0.1 * F.softplus(self.leave(F.leaky_relu(h, 0.1)).float())


class GroundPrior(nn.Module):
    """Expects the ground of cells in which nothing of it shows through.

    The conditional mean of the ground given what is known but for the look of the cover: the clear ground around, how
    far and how evenly there is any, bands, level and guides. Clouds' tops leave no relief in it. It learns when the
    network has learnt, see `training.ground_prior`, and is a perceptron for each cell alone.

    Attributes:
        centre: (K,) means of what it sees.
        spread: (K,) standard deviations of it.
    """

    centre: Tensor
    spread: Tensor

    def __init__(self) -> None:
        super().__init__()
        seen = SURROUNDINGS + len(GUIDE_CHANNELS) + CONDITIONING
        self.register_buffer("centre", torch.zeros(seen))
        self.register_buffer("spread", torch.ones(seen))
        # As convolutions of one cell, whose sums do not depend on how many cells there are: tiles agree to the bit.
        self.see, self.weigh = nn.Conv2d(seen, _NARROW, 1), nn.Conv2d(_NARROW, _NARROW, 1)
        self.leave = nn.Conv2d(_NARROW, _BANDS, 1)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    @staticmethod
    def look(x: Observation, context: Tensor) -> Tensor:
        """What it sees of the cells of a tile x (H, W): (B, K, h, w), under their `context` (B, C, h, w)."""
        guides = average_over_cells(torch.cat(standardised_guides(x), dim=1), CELL)
        conditioning = x.conditioning.permute(0, 3, 1, 2).expand(-1, -1, *context.shape[-2:])
        return torch.cat([surroundings(context), guides, conditioning], dim=1)

    @torch.no_grad()
    def begin(self, seen: Tensor, rng: torch.Generator) -> None:
        """Make ready to learn: expect the ground around, and bring what is `seen` (N, K) to one scale."""
        self.centre.copy_(seen.mean(0))
        # What hardly varies must not count for much where it does.
        self.spread.copy_(seen.std(0).clamp(min=0.05))
        for layer in (self.see, self.weigh):
            for parameter in layer.parameters():
                parameter.uniform_(-(layer.in_channels**-0.5), layer.in_channels**-0.5, generator=rng)
        for parameter in self.leave.parameters():
            nn.init.zeros_(parameter)

    def forward(self, seen: Tensor, near: Tensor) -> Tensor:
        """Expect the ground (B, 13, h, w) in reflectance.

        Args:
            seen: (B, K, h, w), see `look`.
            near: (B, 13, h, w) the clear ground near each cell, in reflectance.
        """
        centre, spread = (values[:, None, None] for values in (self.centre, self.spread))
        h = F.leaky_relu(self.see((seen - centre) / spread), 0.1)
        added: Tensor = self.leave(F.leaky_relu(self.weigh(h), 0.1))
        return near + 0.1 * added.float()


def surroundings(context: Tensor) -> Tensor:
    """What a context (B, C, h, w) says of the clear ground around, without its features, as perceptrons take it."""
    ground, trust, variation = context[:, : 2 * _BANDS], context[:, 2 * _BANDS, None], context[:, -1:]
    return torch.cat([compress(ground), trust, torch.log(variation / 0.03 + 0.1)], dim=1)
