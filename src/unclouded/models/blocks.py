"""Building blocks of the networks: channel normalisation, latent modulation, residual blocks, the ground pyramid."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm


class ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each pixel.

    No statistic crosses pixels, so that neighbouring tiles of a scene agree wherever both see the same surroundings.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, h: Tensor, gain: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
        """Normalise `h` (B, C, H, W) pixel by pixel; multiply by `gain` and add `bias` if given.

        Both are (B, H, W, C), or (B, 1, 1, C) where they are the same all over an image.
        """
        last = h.permute(0, 2, 3, 1)
        if gain is None or bias is None:
            normal = F.layer_norm(last, (self.channels,))
        elif gain.shape[:3] == (1, 1, 1):
            # As one operation, which takes half the time of two; most scenes have one code.
            normal = F.layer_norm(last, (self.channels,), gain[0, 0, 0], bias[0, 0, 0])
        else:
            normal = F.layer_norm(last, (self.channels,)) * gain + bias
        return normal.permute(0, 3, 1, 2)


def convolutions_to_cells(channels: tuple[int, int, int, int]) -> nn.ModuleList:
    """Three spectrally normalised convolutions (Miyato et al. 2018) of these channels, from 2 x 2 pixels to cells."""
    return nn.ModuleList(
        spectral_norm(nn.Conv2d(a, b, 4 if stride == 2 else 3, stride, 1))
        for a, b, stride in zip(channels[:-1], channels[1:], (1, 2, 2), strict=True)
    )


class ModulatedBlock(nn.Module):
    """Residual block of two 3 x 3 convolutions whose normalised input is scaled and shifted by a code.

    The code carries the latent z and the conditioning (feature-wise linear modulation, Perez et al. 2018): one vector
    for the image, or one per cell of 80 m where the conditioning changes within it.
    """

    def __init__(self, channels: int, code: int) -> None:
        super().__init__()
        self.norm = ChannelNorm(channels)
        self.modulation = nn.Linear(code, 2 * channels)
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        nn.init.normal_(self.modulation.weight, std=0.02)
        nn.init.zeros_(self.modulation.bias)
        for parameter in self.second.parameters():
            nn.init.zeros_(parameter)

    def forward(self, h: Tensor, code: Tensor) -> Tensor:
        """Return `h` (B, C, H, W) plus its update under `code`, (B, 1, 1, D) or (B, h, w, D), see `to_grid`."""
        scale, shift = to_grid(self.modulation(code), h.shape[2], h.shape[3]).chunk(2, dim=3)
        u = self.norm(h, 1 + scale, shift)
        # In place, as all that follows a convolution takes as long as it where memory is the limit.
        update: Tensor = self.second(F.leaky_relu(self.first(u), 0.1, inplace=True))
        return update.add_(h)


def soften(x: Tensor) -> Tensor:
    """Blur `x` (B, C, H, W) by the binomial kernel of five pixels, so that no checkerboard is left of enlarging it."""
    channels = x.shape[1]
    line = torch.tensor([1.0, 4.0, 6.0, 4.0, 1.0], dtype=x.dtype, device=x.device) / 16
    kernel = (line[:, None] * line).expand(channels, 1, 5, 5)
    with torch.autocast(x.device.type, enabled=False):  # under which the padding would be made in float32
        return F.conv2d(F.pad(x, (2, 2, 2, 2), mode="replicate"), kernel, groups=channels)


def to_grid(cells: Tensor, height: int, width: int) -> Tensor:
    """Bring a map (B, h, w, D), channels last, to a grid of `height` x `width`, a multiple or a divisor of its own.

    Finer by bilinear interpolation, coarser by averaging. A map of a single vector (B, 1, 1, D) stays as it is.
    """
    if cells.shape[1:3] in ((1, 1), (height, width)):
        return cells
    planes = cells.permute(0, 3, 1, 2)
    if cells.shape[1] > height:
        planes = F.avg_pool2d(planes, cells.shape[1] // height)
    else:
        planes = F.interpolate(planes, (height, width), mode="bilinear", align_corners=False)
    return planes.permute(0, 2, 3, 1)


def enlarge(x: Tensor, factor: int) -> Tensor:
    """Bring `x` (B, C, h, w) to a grid finer by `factor`, bilinearly."""
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


def average_over_cells(x: Tensor, cell: int) -> Tensor:
    """Average `x` (B, C, H, W) over cells of `cell` x `cell` pixels; H and W are multiples of `cell`."""
    return F.avg_pool2d(x, cell)


def spread_ground(values: Tensor, weight: Tensor, prior: Tensor, persistence: float, start: int = 0) -> Tensor:
    """Fill every cell with the weighted mean of its surroundings, as near as trusted ground is found.

    Normalised convolution (Knutsson and Westin 1993) on a pyramid: each level averages `values` by `weight`, and
    takes from the coarser level what its own weight does not settle. Reaches across the whole grid.

    Args:
        values: (B, C, h, w).
        weight: (B, 1, h, w), trust in each cell, 0 to 1.
        prior: (C,), taken where the whole grid holds no trusted cell.
        persistence: weight of the coarser level's answer against a fully trusted cell's own.
        start: number of halvings before the first level that answers; a higher number gives a wider mean.

    Returns:
        (B, C, h, w).
    """
    moments = torch.cat([values * weight, weight], dim=1)
    levels = [moments]
    while max(moments.shape[-2:]) > 1:
        height, width = moments.shape[-2:]
        # The zero cells added at an odd edge carry no weight, so they do not bias the mean.
        moments = F.avg_pool2d(F.pad(moments, (0, width % 2, 0, height % 2)), 2)
        levels.append(moments)
    ground = prior.view(1, -1, 1, 1).expand(values.shape[0], -1, 1, 1)
    start = min(start, len(levels) - 1)
    for index in range(len(levels) - 1, -1, -1):
        total, mass = levels[index][:, :-1], levels[index][:, -1:]
        height, width = total.shape[-2:]
        if index + 1 < len(levels):
            ground = F.interpolate(ground, scale_factor=2, mode="bilinear", align_corners=False)[..., :height, :width]
            slack = persistence
        else:
            slack = 1e-3
        if index >= start:
            ground = (total + slack * ground) / (mass + slack)
    return ground
