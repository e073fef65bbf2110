"""The ground under a known cover, from one image: the clear ground around, filled in, and what the network adds to it.

The network's ground is right in its detail and wrong in its colour wherever the land is none that it has seen, so the
colour is that of the scene's own clear ground as long as there is any. All of it works cell by cell on the grid of the
whole scene, or pixel by pixel, so that a result does not depend on how the scene is cut into tiles.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from unclouded.bands import INDEX
from unclouded.detection.filters import mean_filter
from unclouded.models.blocks import average_over_cells, spread_ground

PERSISTENCE = 0.02
"""Weight of what is farther away against clear ground in the cell itself: cells are clear or not, with little doubt."""

REGION = 6
"""Halvings of the grid to the region in which clear ground is counted: 64 cells, 5 km."""

MISSED, MISSED_BESIDE_MASK = 0.02, 1e-4
"""Share of the cover that is taken for clear ground, by detection alone and where a mask was given as well."""

_VEIL = 0.04
"""Standard deviation of how far the fill's blue may exceed the network's beyond what red explains, in reflectance."""

_SALT, _SNOW = 0.02, 0.06
"""How likely ground is, at least, that looks like cloud, and that looks like snow, as clouds of ice do too."""

_VEILED, _OPAQUE = 0.4, 0.8
"""Opacity from which on a pixel is surely seen through cover, and from which on less and less of it shows through."""

LEVEL = 8
"""Pixels around one over which the level is averaged, twice."""

DETAIL = 0.5
"""How much of the detail that the network sees through the cover is laid over the fill."""


def clear_cells(optical: Tensor, clear: Tensor, cell: int) -> tuple[Tensor, Tensor]:
    """Average an image over the clear pixels of each cell.

    Args:
        optical: (B, C, H, W) reflectance; H and W are multiples of `cell`.
        clear: (B, 1, H, W) 1 where a pixel holds data and nothing covers it, 0 elsewhere; or between.
        cell: pixels along a cell.

    Returns:
        The means (B, C, h, w), 0 where a cell shows nothing clear, and the clear share (B, 1, h, w).
    """
    share = average_over_cells(clear, cell)
    return average_over_cells(optical * clear, cell) / share.clamp(min=1e-6), share


def fill_ground(means: Tensor, share: Tensor, prior: Tensor) -> Tensor:
    """Fill every cell with the clear ground around it, (B, C, h, w); see `spread_ground`.

    Args:
        means: (B, C, h, w) of the clear pixels of each cell, as `clear_cells` gives them.
        share: (B, 1, h, w) how much of each cell is clear.
        prior: (C,) taken where the whole grid shows nothing clear.
    """
    return spread_ground(means, share, prior, persistence=PERSISTENCE)


def clear_share(share: Tensor, valid: Tensor) -> Tensor:
    """Tell how much of the region around each cell is clear, (B, 1, h, w), 0 to 1.

    Args:
        share: (B, 1, h, w) how much of each cell is clear.
        valid: (B, 1, h, w) how much of it holds data.
    """
    height, width = share.shape[-2:]
    region = torch.cat([share, valid], dim=1)
    halvings = 0
    while max(region.shape[-2:]) > 1 and halvings < REGION:
        rows, columns = region.shape[-2:]
        region = F.avg_pool2d(F.pad(region, (0, columns % 2, 0, rows % 2)), 2)
        halvings += 1
    # Step by step, as large steps at once would have edges outside of the grid.
    for _ in range(halvings):
        region = F.interpolate(region, scale_factor=2, mode="bilinear", align_corners=False)
    region = region[..., :height, :width]
    return region[:, :1] / region[:, 1:].clamp(min=1e-6)


def belief_in_fill(ground: Tensor, fill: Tensor, around: Tensor, missed: float, bands: Sequence[str]) -> Tensor:
    """How probably the fill is of clear ground and not of cover that was missed, (B, 1, H, W), 0 to 1 (Bayes' rule).

    The prior is by areas: what is clear around against what is missed of the cover. The likelihood is by colour:
    missed cloud and haze make the fill bluer than the network's ground, by blue less half of red (the haze-optimised
    transform, Zhang et al. 2002); snow, by the normalised difference of green and short-wave infrared, tells less.

    Args:
        ground: (B, 13, H, W) the network's, in reflectance.
        fill: (B, 13, H, W) as `fill_ground` gives it, enlarged to pixels.
        around: (B, 1, H, W) as `clear_share` gives it, enlarged to pixels.
        missed: share of what covers the scene that may be taken for clear ground.
        bands: that are there. Without blue and red the colour tells nothing.
    """
    likelihood = torch.ones_like(around)
    if "B02" in bands and "B04" in bands:
        excess = _blue_excess(fill).sub_(_blue_excess(ground)).clamp_(min=0)
        least = torch.full_like(around, _SALT)
        if "B03" in bands and "B11" in bands:
            green, infrared = (fill[:, INDEX[name], None] for name in ("B03", "B11"))
            snow = (green - infrared) / (green + infrared).clamp(min=1e-3)
            least.add_(((snow - 0.4) / 0.2).clamp_(0, 1), alpha=_SNOW - _SALT)
        likelihood = torch.maximum(excess.div_(_VEIL).square_().mul_(-0.5).exp_(), least)
    likely = around * likelihood
    return likely / (likely + missed * (1 - around)).clamp(min=1e-9)


def settle_ground(ground: Tensor, detail: Tensor, fill: Tensor, belief: Tensor, thick: Tensor) -> Tensor:
    """Keep of the network's ground its detail, over the fill; and all of it where the fill is not believed.

    Args:
        ground: (B, C, H, W) the network's, in reflectance.
        detail: (B, C, H, W) what of it is detail: its departure from the level of its cells.
        fill: (B, C, H, W) as `fill_ground` gives it, enlarged to pixels.
        belief: (B, 1, H, W) as `belief_in_fill` gives it.
        thick: (B, 1, H, W) how surely nothing shows through, 0 to 1: there the detail is the cloud's own.
    """
    return torch.lerp(ground, torch.addcmul(fill, detail, 1 - thick, value=DETAIL), belief)


def match_level(image: Tensor, expected: Tensor, opacity: Tensor, unknown: Tensor) -> Tensor:
    """Bring pixels that show through cover in part to the level of the ground to expect, and keep their detail.

    What is left of shadow and haze in them would stand out against the ground under thick cloud beside them, with the
    cloud's outline. Beside pixels that are clear they stay at their own level, so that none stands out there.

    Args:
        image: (B, C, H, W) reflectance, composed.
        expected: (B, C, H, W) ground that is to be expected where nothing shows through.
        opacity: (B, 1, H, W) of what was composed; where it is 0 or 1 nothing is changed.
        unknown: (B, 1, H, W) how far no ground around is seen, 0 to 1: elsewhere the level is the pixel's own.
    """
    weight = ((1 - opacity) / (1 - _OPAQUE)).clamp(0, 1)
    through = (opacity / _VEILED).clamp(max=1) * weight
    excess = (image - expected) * through
    for _ in range(2):
        excess, weight = mean_filter(excess, LEVEL), mean_filter(weight, LEVEL)
    return image - excess / weight.clamp(min=1e-6) * (through * unknown)


def _blue_excess(image: Tensor) -> Tensor:
    return image[:, INDEX["B02"], None] - 0.5 * image[:, INDEX["B04"], None]
