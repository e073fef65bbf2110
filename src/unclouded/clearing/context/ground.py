"""Ground under detected cover, from one image: clear ground around it, interpolated, with the detail of the network.

The network's ground has the right spatial detail, but the wrong spectrum on land cover unlike its training data, so the
spectrum is that of the scene's own clear ground as long as there is any. All is computed on the cells or the
pixels of the whole scene, so that the result does not depend on the tiling.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from unclouded.bands import INDEX
from unclouded.detection.filters import mean_filter
from unclouded.detection.ramp import ramp
from unclouded.detection.snow_index import snow_index
from unclouded.models.blocks import average_over_cells, spread_ground

PERSISTENCE = 0.02
"""Weight of farther cells relative to clear ground in the cell itself: small, as cells are clear or not."""

REGION_LEVEL = 6
"""Level of the pyramid of cells, each half the size of the last, at which clear ground is counted: 64 cells, 5 km."""

MISSED, MISSED_WITH_MASK = 0.02, 1e-4
"""Share of the cover that is taken for clear ground, by detection alone and if a mask was given as well."""

_EXCESS_SIGMA = 0.04
"""Standard deviation, in reflectance, of the excess of the fill's blue over the network's that is not of the red."""

_MIN_LIKELIHOOD, _MIN_SNOW_LIKELIHOOD = 0.02, 0.06
"""Least likelihood of ground, and of ground that looks like snow, as ice clouds do, too."""

_SNOW = 0.4, 0.6
"""NDSI from which on ground may look like snow, and from which on it does."""

_VEILED, _OPAQUE = 0.4, 0.8
"""Opacity from which on a pixel is surely seen through cover, and from which on less and less of it shows through."""

LEVEL_RADIUS = 8
"""Radius, in pixels, of the mean that is taken twice to get the level."""

DETAIL = 0.5
"""Factor on the network's detail that is added to the fill."""


def clear_cells(optical: Tensor, clear: Tensor, cell: int) -> tuple[Tensor, Tensor]:
    """Average an image over the clear pixels of each cell.

    Args:
        optical: (B, C, H, W) reflectance; H and W are multiples of `cell`.
        clear: (B, 1, H, W) weight, 1 where a pixel holds data and nothing covers it, 0 elsewhere.
        cell: pixels along a cell.

    Returns:
        The means (B, C, h, w), 0 in cells without clear pixels, and the clear share (B, 1, h, w).
    """
    share = average_over_cells(clear, cell)
    return average_over_cells(optical * clear, cell) / share.clamp(min=1e-6), share


def fill_ground(means: Tensor, share: Tensor, prior: Tensor) -> Tensor:
    """Interpolate clear ground over all cells, (B, C, h, w), by normalised convolution; see `spread_ground`.

    Args:
        means: (B, C, h, w) of the clear pixels of each cell, as `clear_cells` gives them.
        share: (B, 1, h, w) clear share of each cell, 0 to 1.
        prior: (C,) taken if nothing in the grid is clear.
    """
    return spread_ground(means, share, prior, persistence=PERSISTENCE)


def clear_share(share: Tensor, valid: Tensor) -> Tensor:
    """The clear share of the valid pixels in the region around each cell, (B, 1, h, w), 0 to 1.

    Args:
        share: (B, 1, h, w) clear share of each cell.
        valid: (B, 1, h, w) share of each cell that holds data.
    """
    height, width = share.shape[-2:]
    region = torch.cat([share, valid], dim=1)
    levels = 0
    while max(region.shape[-2:]) > 1 and levels < REGION_LEVEL:
        rows, columns = region.shape[-2:]
        region = F.avg_pool2d(F.pad(region, (0, columns % 2, 0, rows % 2)), 2)
        levels += 1
    # Level by level: interpolating by a larger factor at once would repeat the values at the edges of the grid.
    for _ in range(levels):
        region = F.interpolate(region, scale_factor=2, mode="bilinear", align_corners=False)
    region = region[..., :height, :width]
    return region[:, :1] / region[:, 1:].clamp(min=1e-6)


def belief_in_fill(ground: Tensor, fill: Tensor, around: Tensor, missed: float, bands: Sequence[str]) -> Tensor:
    """Posterior probability that the fill is of clear ground and not of missed cover, (B, 1, H, W), by Bayes' rule.

    The prior is the clear share around, against that of missed cover. The likelihood is by colour: missed cloud and
    haze make the fill bluer than the network's ground, by blue less half of red (the haze-optimised transform, Zhang et
    al. 2002); of snow, by the NDSI, the colour counts less.

    Args:
        ground: (B, 13, H, W) of the network, in reflectance.
        fill: (B, 13, H, W) `fill_ground`, interpolated to pixels.
        around: (B, 1, H, W) `clear_share`, interpolated to pixels.
        missed: share of the cover that is taken for clear ground.
        bands: of the scene. Without blue and red the likelihood is 1.
    """
    likelihood = torch.ones_like(around)
    if "B02" in bands and "B04" in bands:
        excess = _blue_excess(fill).sub_(_blue_excess(ground)).clamp_(min=0)
        lowest = torch.full_like(around, _MIN_LIKELIHOOD)
        if "B03" in bands and "B11" in bands:
            green, infrared = (fill[:, INDEX[name], None] for name in ("B03", "B11"))
            snow = ramp(snow_index(green, infrared), *_SNOW)
            lowest.add_(snow, alpha=_MIN_SNOW_LIKELIHOOD - _MIN_LIKELIHOOD)
        likelihood = torch.maximum(excess.div_(_EXCESS_SIGMA).square_().mul_(-0.5).exp_(), lowest)
    joint = around * likelihood
    return joint / (joint + missed * (1 - around)).clamp(min=1e-9)


def settle_ground(ground: Tensor, detail: Tensor, fill: Tensor, belief: Tensor, thick: Tensor) -> Tensor:
    """The fill with the network's detail, weighted by belief against the network's ground, (B, C, H, W).

    Args:
        ground: (B, C, H, W) of the network, in reflectance.
        detail: (B, C, H, W) of that: its departure from the mean of its cells.
        fill: (B, C, H, W) `fill_ground`, interpolated to pixels.
        belief: (B, 1, H, W) `belief_in_fill`.
        thick: (B, 1, H, W) certainty that the cover is opaque, 0 to 1: there the detail is the cloud's own.
    """
    return torch.lerp(ground, torch.addcmul(fill, detail, 1 - thick, value=DETAIL), belief)


def match_level(image: Tensor, expected: Tensor, opacity: Tensor, unknown: Tensor) -> Tensor:
    """Shift pixels under semi-transparent cover to the level (local mean) of the expected ground, keeping their detail.

    Remaining shadow and haze in them would stand out against the expected ground under opaque cloud next to them, along
    the cloud's outline. Next to clear pixels they keep their own level, so that none stand out there.

    Args:
        image: (B, C, H, W) reflectance, composed.
        expected: (B, C, H, W) expected ground where nothing shows through.
        opacity: (B, 1, H, W) of the composition; where it is 0 or 1 nothing is changed.
        unknown: (B, 1, H, W) weight, 1 where no ground around is visible: elsewhere the level is the pixel's own.
    """
    weight = ((1 - opacity) / (1 - _OPAQUE)).clamp(0, 1)
    through = (opacity / _VEILED).clamp(max=1) * weight
    excess = (image - expected) * through
    for _ in range(2):
        excess, weight = mean_filter(excess, LEVEL_RADIUS), mean_filter(weight, LEVEL_RADIUS)
    return image - excess / weight.clamp(min=1e-6) * (through * unknown)


def _blue_excess(image: Tensor) -> Tensor:
    return image[:, INDEX["B02"], None] - 0.5 * image[:, INDEX["B04"], None]
