"""One opacity, smooth everywhere, of the detector's probabilities, the network's opacity and the user's mask.

The network estimates how much of the light comes from cloud, and mistakes deserts, salt and snow for it; the detector
does not, but finds only whether there is cover. Their evidence is added as log odds:

    logit(opacity) = logit(m) + w (cloud bright + shadow dark) - v (1 - max(near, haze))

with m the network's opacity, its log odds clipped; `cloud` and `shadow` the detector's probabilities, smoothed and
raised to include rims, where shadow counts only with a cloud around, or on land that is too dark to be sunlit, see
`detection.shadow`, and such land within 160 m of a shadow counts as shadow; `near` the probability of anything within
640 m, combined with the covered share: the higher, the more the network's opacity counts; `haze` how hazy the area is,
see `detection.haze`, where the network alone decides; `bright` and `dark` how far the pixel, or a bright one next to
it, differs from the ground that would replace it, as cloud or shadow does: a pixel under cover so thin that it looks
like the ground is kept. Shadow counts in part without such a difference where little of the ground around is clear,
since that ground may lie in shadow itself. Where nothing was detected around, no m reaches the usual threshold.

Where hardly any ground around is clear, the ground is a guess that is no better than the pixel: half of the pixel is
kept, and less the more it, or one next to it, differs from that ground (`ceiling`).

On the detector's grid all is local, within `EVIDENCE_RADIUS`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from unclouded.bands import INDEX, VISIBLE
from unclouded.detection.classes import CLEAR, NO_DATA, SHADOW, THICK_CLOUD, THIN_CLOUD
from unclouded.detection.filters import maximum_filter, mean_filter, octagon_maximum_filter
from unclouded.detection.ramp import ramp

RIM_RADIUS = 1
"""Radius, in pixels of the detector's grid (40 m), by which its probabilities are smoothed."""

_RAISED = 1.5
"""Factor on the smoothed probabilities: a pixel is covered where two thirds around it are, half a pixel of rim more."""

NEAR_RADIUS = 16
"""Radius, in pixels of the detector's grid, within which cover counts as near."""

CAST_RADIUS = 24
"""The same for clouds that may cast a shadow."""

SHADOW_SIDE_RADIUS = 4
"""The same for shadow beside which dark land is shadow, too."""

EVIDENCE_RADIUS = 2 * CAST_RADIUS
"""Radius, in pixels of the detector's grid, of what `evidence` depends on."""

THRESHOLD = 0.2
"""Opacity under which a pixel is kept, unless the user says otherwise."""

_LIMIT = 4.0
"""Absolute value at which the network's log odds are clipped."""

_ROUNDED = 0.05
"""Difference, in log odds, of the network's opacity of a crop from that of the whole, by rounding in bfloat16."""

_SHARE, _MOST = 0.6, 1.2
"""Weight of the covered share in `near`, and the factor on that share."""

_DETECTED, _VETO = 6.0, 6.0
"""Log odds for cover where the detector is certain, and against it where nothing was detected around."""

_BRIGHTER, _DARKER = 0.04, 0.06
"""Reflectance by which cloud is brighter than the ground in the visible, and shadow darker in the near infrared, if the
difference counts fully."""

_UNKNOWN = 0.3
"""Contrast that shadow has at least with ground of which nothing is known."""

_FRINGE = 2
"""Radius, in pixels, of the dilation of bright pixels, to include the coloured fringes of clouds. A larger one would
show as squares around small bright spots."""

_CONTRAST = 2
"""Radius, in pixels, over which the departure from the ground is averaged."""

_MAX_OPACITY_OF_GUESS = 0.5
"""Opacity, at most, of pixels that hardly depart from ground that is a guess."""

_DISTINCT = (0.04, 0.12), (0.04, 0.15)
"""Departure in the visible and in the near infrared from which on the opacity may be higher, and from which on 1."""

ENOUGH_CLEAR = 0.1
"""Clear share around from which on the ground is no guess."""

_EDGE = 4
"""Radius, in pixels, around distinct pixels in which others may have nearly their opacity: else edges of clouds remain
as lines."""

CONTRAST_RADIUS = _CONTRAST + max(_FRINGE, _EDGE + _CONTRAST)
"""Radius, in pixels, of what `contrast` and `ceiling` depend on."""

_TRUST_RADIUS, _MIN_TRUST = 2, 0.1
"""Radius, in pixels of the detector's grid, by which cover is dilated for `trust_factor`, and the factor under it."""

_DOUBTED, _UNSEEN = 0.1, 0.05
"""Weight of each kind of cover in `classify` that was not detected, and that the contrast does not show."""

MASK_RIM_RADIUS = 1
"""Radius, in pixels, by which a user's mask is dilated."""

_INFRARED = ("B08",)


def evidence(probabilities: Tensor) -> Tensor:
    """Turn the detector's probabilities into the evidence of which the opacity is composed.

    Args:
        probabilities: (B, 4, h, w) on the detector's grid: cloud, shadow, haze, and land too dark to be sunlit, see
            `detection.shadow`.

    Returns:
        (B, 4, h, w) on the same grid: cloud, shadow, near cover, and haze; 0 to 1.
    """
    cloud, shadow, haze, dark = torch.split(probabilities, 1, dim=1)
    either = (cloud + shadow).clamp(max=1)
    around = (1 - _SHARE) * dilate(either, NEAR_RADIUS) + _SHARE * (_MOST * mean_filter(either, NEAR_RADIUS)).clamp(
        max=1
    )
    cloud, shadow = _kinds(cloud, shadow, dark, _with_rims)
    return torch.cat([cloud, shadow, torch.maximum(around, (cloud + shadow).clamp(max=1)), haze], dim=1)


def hidden(probabilities: Tensor) -> Tensor:
    """Certainty that cloud or shadow hides the ground of an image, or lies next to it, (B, 1, h, w).

    Args:
        probabilities: (B, 4, h, w) see `evidence`.
    """
    cloud, shadow, _, dark = torch.split(probabilities, 1, dim=1)
    return sum(_kinds(cloud, shadow, dark, lambda x: dilate(x, RIM_RADIUS)), torch.zeros_like(cloud))


def _kinds(cloud: Tensor, shadow: Tensor, dark: Tensor, rims: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Cloud and shadow with their rims; shadow counts only with a cloud around, or on land too dark to be sunlit."""
    cast, alone = rims(shadow) * dilate(cloud, CAST_RADIUS), rims(dilate(shadow, SHADOW_SIDE_RADIUS) * dark)
    return rims(cloud), torch.maximum(cast, alone)


def _with_rims(x: Tensor) -> Tensor:
    return (_RAISED * mean_filter(x, RIM_RADIUS)).clamp(max=1)


def dilate(x: Tensor, radius: int) -> Tensor:
    """Dilate `x` (B, C, h, w) by a square of `radius` pixels and smooth it as far: no value falls where `x` is flat."""
    return mean_filter(maximum_filter(x, radius), radius)


def enlarge(coarse: Tensor, factor: int, row: int, column: int, height: int, width: int) -> Tensor:
    """Interpolate a coarse grid (B, C, h, w) bilinearly to pixels, in a window: (B, C, height, width).

    Args:
        coarse: a part of the grid, one of its pixels larger than the window on each side within the scene.
        factor: side of a pixel of the grid in pixels.
        row: first row of the window in pixels, from the corner of `coarse`.
        column: first column.
        height: rows of the window.
        width: columns of the window.
    """
    rows, columns = (
        slice(max(start // factor - 1, 0), -(-(start + length) // factor) + 1)
        for start, length in ((row, height), (column, width))
    )
    fine = F.interpolate(coarse[..., rows, columns], scale_factor=factor, mode="bilinear", align_corners=False)
    top, left = row - rows.start * factor, column - columns.start * factor
    return fine[..., top : top + height, left : left + width]


def departure(optical: Tensor, ground: Tensor, bands: Sequence[str]) -> Tensor:
    """By how much pixels are brighter than the ground in the visible, and darker in the near infrared, (B, 2, H, W).

    Args:
        optical: (B, 13, H, W) reflectance.
        ground: (B, 13, H, W) reflectance that would replace it.
        bands: of the scene. Without visible or near-infrared bands the departure is 1 everywhere.
    """
    visible, infrared = positions(bands, VISIBLE), positions(bands, _INFRARED)
    return torch.cat(
        [_excess(optical[:, visible], ground[:, visible]), _excess(ground[:, infrared], optical[:, infrared])], dim=1
    )


def contrast(departed: Tensor, known: Tensor) -> Tensor:
    """How far pixels depart from the ground as cloud does, and as shadow does: (B, 2, H, W), 0 to 1.

    Where little is clear around, the ground that would replace a pixel comes from shadow as well: there shadow counts
    though it is not darker than the ground, but only in part, since such ground shows less than the pixel does.

    Args:
        departed: (B, 2, H, W) `departure`.
        known: (B, 1, H, W) share of the ground around that is visible, 0 to 1.
    """
    darker = torch.maximum(ramp(departed[:, 1:], 0, _DARKER), _UNKNOWN * (1 - known))
    return torch.cat([_brighter(departed[:, :1]), darker], dim=1)


def brightness(optical: Tensor, ground: Tensor) -> Tensor:
    """How far pixels, or some next to them, are brighter than the ground as cloud is: (B, 1, H, W), 0 to 1.

    Args:
        optical: (B, N, H, W) reflectance in the bands of `VISIBLE` that the scene has, one at least.
        ground: (B, N, H, W) reflectance that would replace it.
    """
    return _brighter(_excess(optical, ground))


def positions(bands: Sequence[str], names: Sequence[str]) -> list[int]:
    """Positions, among all 13 bands, of the bands `names` that are in `bands`."""
    return [INDEX[name] for name in names if name in bands]


def ceiling(departed: Tensor, known: Tensor) -> Tensor:
    """Upper limit of the opacity, (B, 1, H, W), 1 where ground around is visible; arguments of `contrast`."""
    seen = ground_seen(known)
    if (seen == 1).all():
        return seen
    (bright, brightest), (dark, darkest) = _DISTINCT
    distinct = mean_filter(octagon_maximum_filter(ramp(departed[:, :1], bright, brightest), _EDGE), _CONTRAST)
    distinct = torch.maximum(distinct, ramp(departed[:, 1:], dark, darkest))
    return _MAX_OPACITY_OF_GUESS + (1 - _MAX_OPACITY_OF_GUESS) * torch.maximum(distinct, seen)


def ground_seen(known: Tensor) -> Tensor:
    """How far the ground around is no guess, (B, 1, H, W), by the visible share `known` of it, 0 to 1."""
    return (known / ENOUGH_CLEAR).clamp(max=1)


def _excess(bright: Tensor, dark: Tensor) -> Tensor:
    """By how much one image (B, N, H, W) is brighter than another, averaged over bands: (B, 1, H, W) reflectance."""
    if not bright.shape[1]:
        return bright.new_ones(len(bright), 1, *bright.shape[2:])
    return mean_filter((bright - dark).mean(1, keepdim=True), _CONTRAST)


def _brighter(visible: Tensor) -> Tensor:
    return maximum_filter(ramp(visible, 0, _BRIGHTER), _FRINGE)


def compose_opacity(
    network: Tensor,
    found: Tensor,
    contrasts: Tensor,
    limit: Tensor,
    threshold: float = THRESHOLD,
    mask: Tensor | None = None,
) -> Tensor:
    """The opacity of each pixel, (B, 1, H, W); exactly 0 where the pixel is kept.

    It rises from 0 between the threshold and its double, so that no outline shows at the threshold.

    Args:
        network: (B, 1, H, W) the network's opacity.
        found: (B, 4, H, W) `evidence`, interpolated to pixels.
        contrasts: (B, 2, H, W) `contrast`.
        limit: (B, 1, H, W) `ceiling`.
        threshold: opacity under which a pixel is kept.
        mask: (B, 1, H, W) `cover` of the user's mask, a lower limit of the opacity.
    """
    cloud, shadow, near, haze = torch.split(found, 1, dim=1)
    odds = _network_odds(network) + _DETECTED * (cloud * contrasts[:, :1] + shadow * contrasts[:, 1:])
    opacity = torch.sigmoid(odds - _VETO * (1 - torch.maximum(near, haze)))
    opacity = torch.minimum(opacity * ((opacity - threshold) / max(threshold, 1e-6)).clamp(0, 1), limit)
    return opacity if mask is None else torch.maximum(opacity, mask)


def _network_odds(network: Tensor) -> Tensor:
    return torch.logit(network.float(), eps=1e-4).clamp(-_LIMIT, _LIMIT)


def cover_input(found: Tensor, mask: Tensor | None = None) -> Tensor:
    """The cover as input of the network, (B, 1, h, w), see `Observation.cover`.

    In haze, which the detector does not look for, the absence of a detection is no information.

    Args:
        found: (B, 4, h, w) `evidence`.
        mask: (B, 1, h, w) `cover` of the user's mask.
    """
    cloud, shadow, _, haze = torch.split(found, 1, dim=1)
    covered = (cloud + shadow).clamp(max=1)
    if mask is not None:
        covered = torch.maximum(covered, mask)
    return covered - (1 - covered) * (1 - haze.clamp(min=0))


def may_be_covered(found: Tensor, threshold: float = THRESHOLD, network: Tensor | None = None) -> Tensor:
    """Where `compose_opacity` can be more than 0 without a mask: (B, h, w).

    Args:
        found: (B, 4, h, w) `evidence`.
        threshold: opacity under which a pixel is kept.
        network: (B, 1, h, w) the network's opacity; the highest possible one unless given.
    """
    cloud, shadow, near, haze = found.unbind(dim=1)
    network_odds = _LIMIT if network is None else _network_odds(network)[:, 0] + _ROUNDED
    highest_odds = network_odds + _DETECTED * (cloud + shadow) - _VETO * (1 - torch.maximum(near, haze))
    limit = -math.inf if threshold <= 0 else math.log(threshold / (1 - threshold)) if threshold < 1 else math.inf
    return highest_odds > limit


def trust_factor(probabilities: Tensor) -> Tensor:
    """Factor, (B, 1, h, w), 0.1 to 1, on the context network's trust in clear ground, low where cover is detected.

    Ground is spread from trusted cells, and would take the colour of cover that the network missed. The factor is not
    0, so that a scene that is wholly covered keeps its own colour.

    Args:
        probabilities: (B, 4, h, w) see `evidence`.
    """
    hidden_share = dilate(probabilities[:, :3].sum(1, keepdim=True).clamp(max=1), _TRUST_RADIUS)
    return _MIN_TRUST + (1 - _MIN_TRUST) * (1 - hidden_share)


def cover(mask: Tensor) -> Tensor:
    """Soften a mask (B, 1, H, W), 1 where it covers: 1 inside, falling smoothly to 0 outside."""
    return dilate(mask, MASK_RIM_RADIUS)


def classify(opacity: Tensor, network: Tensor, found: Tensor, contrasts: Tensor, valid: Tensor) -> Tensor:
    """The mask class of each pixel, (B, 1, H, W) uint8, see `detection.classes`.

    Args:
        opacity: of `compose_opacity`; pixels above 0 are covered.
        network: see `compose_opacity`; cloud is thick from 0.5 on.
        found: see `compose_opacity`.
        contrasts: see `compose_opacity`.
        valid: (B, 1, H, W) where there is data.
    """
    cloud, shadow = found[:, :1], found[:, 1:2]
    # Detector and contrast both count: cloud is not darker than the ground, nor shadow brighter, however certain.
    bright, dark = contrasts[:, :1], contrasts[:, 1:]
    darker = (shadow + _DOUBTED) * (dark + _UNSEEN) > (cloud + _DOUBTED) * (bright + _UNSEEN)
    thick = (network >= 0.5) | ((cloud >= 0.5) & (bright >= 1))
    kind = torch.where(darker, SHADOW, torch.where(thick, THICK_CLOUD, THIN_CLOUD))
    kind = torch.where(opacity > 0, kind, CLEAR)
    return torch.where(valid > 0, kind, NO_DATA).to(torch.uint8)
