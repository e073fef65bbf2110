"""One opacity of what the detector found, what the network sees and what a user's mask covers; smooth everywhere.

The network says how much of the light comes from the cover, and is misled by deserts, salt and snow; the detector knows
those, and says only whether there is cover. Their evidence adds up as log odds:

    logit(opacity) = logit(m) + w (cloud bright + shadow dark) - v (1 - max(near, haze))

with m the network's opacity, held between two limits; `cloud` and `shadow` the detector's probabilities, smoothed and
raised to take rims along, a shadow counting only with a cloud around, or with land that is too dark to be sunlit, see
`detection.shadow`, and such land within 160 m of a shadow as that does; `near` how far anything was found here or
within 640 m, and how much of that is covered: the more, the more the network is believed; `haze` how hazy the area is,
see `detection.haze`, in which the network alone says how much each pixel is covered; `bright` and `dark` how far the
pixel, or a bright one beside it, departs from the ground that would replace it, as cloud or shadow does: of thin cover
that leaves the pixel much as the ground is, what it shows is kept; shadow counts in part without that where little of
the ground around is clear, since that ground may lie in shadow itself. Where nothing was found around, no m reaches the
usual threshold.

Where next to nothing around is clear, the ground is a guess, and the pixel tells as much: half of it is kept, the less
the farther it, or one beside it, departs from that ground (`ceiling`).

All that lies on the detector's grid is local: nothing farther than `REACH` of its pixels matters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from unclouded.bands import INDEX
from unclouded.detection.classes import CLEAR, NO_DATA, SHADOW, THICK_CLOUD, THIN_CLOUD
from unclouded.detection.ramp import ramp
from unclouded.detection.windows import highest, highest_around, partial_mean

RIM = 1
"""Pixels of the detector's grid, 40 m each, by which what it found is smoothed."""

_RAISED = 1.5
"""What it then counts: where two thirds around are covered, all is, so that rims are taken along by half a pixel."""

AROUND = 16
"""Pixels of the detector's grid by which what it found is widened, and then smoothed, to tell what is around."""

CASTING = 24
"""The same for how far a cloud is around that may cast a shadow."""

BESIDE = 4
"""The same for how far dark land may lie from what is surely shadow, to be shadow too."""

REACH = 2 * CASTING
"""Pixels of the detector's grid beyond which nothing matters to `evidence`."""

THRESHOLD = 0.2
"""Opacity under which a pixel is kept, unless the user says otherwise."""

_LIMIT = 4.0
"""The network's log odds count up to this, either way."""

_ROUNDED = 0.05
"""Log odds by which the network's may be rounded otherwise, in bfloat16, where less of an image is looked at."""

_SHARE, _MOST = 0.6, 1.2
"""Of how far something was found around: what the covered share counts, and what that share is multiplied by."""

_FOUND, _VETO = 6.0, 6.0
"""Log odds for cover where the detector is sure of it, and against where it finds nothing around."""

_BRIGHTER, _DARKER = 0.04, 0.06
"""Reflectance by which cloud outshines ground in the visible, or shadow darkens the near infrared, to count fully."""

_UNKNOWN = 0.3
"""How far shadow is held to depart at least from ground of which nothing is known."""

_FRINGE = 2
"""Pixels around a bright one that count as it does: the coloured fringes of a cloud's edge. More would show as squares
around small bright spots."""

_CONTRAST = 2
"""Pixels around one that its departure from the ground is averaged over."""

_PART = 0.5
"""Opacity at most of pixels that depart little from ground that is a guess."""

_PLAIN = (0.04, 0.12), (0.04, 0.15)
"""Departure in the visible and in the near infrared from which on it is more, and from which on the pixel may be
replaced wholly."""

SEEN = 0.1
"""Clear share around from which on the ground is no guess."""

_EDGE = 4
"""Pixels around one that may be replaced wholly which may be so too, nearly: else the edges of clouds stay as lines."""

CONTRAST_REACH = _CONTRAST + max(_FRINGE, _EDGE + _CONTRAST)
"""Pixels beyond which nothing matters to `contrast` and `ceiling`."""

_TAINTED, _KEPT = 2, 0.1
"""Of the trust in ground: pixels by which cover is widened, and the share that is kept under it."""

_DOUBTED, _UNSEEN = 0.1, 0.05
"""Of the kind of cover: what each kind counts where the detector does not find it, and where the light does not show
it."""

MASK_RIM = 1
"""Pixels by which a user's mask is widened, and then smoothed."""

VISIBLE, _INFRARED = ("B02", "B03", "B04"), ("B08",)


def evidence(probabilities: Tensor) -> Tensor:
    """Make of the detector's answer what the opacity is composed with.

    Args:
        probabilities: (B, 4, h, w) of cloud and of shadow on the detector's grid, how hazy it is, and how surely it is
            land too dark to be sunlit, see `detection.shadow`.

    Returns:
        (B, 4, h, w) on the same grid: cloud, shadow, how far anything was found around, and how hazy it is; 0 to 1.
    """
    cloud, shadow, haze, dark = torch.split(probabilities, 1, dim=1)
    either = (cloud + shadow).clamp(max=1)
    around = (1 - _SHARE) * widen(either, AROUND) + _SHARE * (_MOST * partial_mean(either, AROUND)).clamp(max=1)
    cloud, shadow = _kinds(cloud, shadow, dark, _with_rims)
    return torch.cat([cloud, shadow, torch.maximum(around, (cloud + shadow).clamp(max=1)), haze], dim=1)


def hiding(probabilities: Tensor) -> Tensor:
    """How surely cloud or shadow hides the ground of an image, or lies beside it, (B, 1, h, w).

    Args:
        probabilities: (B, 4, h, w) as `evidence` takes them.
    """
    cloud, shadow, _, dark = torch.split(probabilities, 1, dim=1)
    return sum(_kinds(cloud, shadow, dark, lambda x: widen(x, RIM)), torch.zeros_like(cloud))


def _kinds(cloud: Tensor, shadow: Tensor, dark: Tensor, rims: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Cloud and shadow with their rims; shadow counts only with a cloud around, or with land that is too dark."""
    cast, alone = rims(shadow) * widen(cloud, CASTING), rims(widen(shadow, BESIDE) * dark)
    return rims(cloud), torch.maximum(cast, alone)


def _with_rims(x: Tensor) -> Tensor:
    return (_RAISED * partial_mean(x, RIM)).clamp(max=1)


def widen(x: Tensor, reach: int) -> Tensor:
    """Widen `x` (B, C, h, w) by `reach` pixels and then smooth it as far, so that no value falls where `x` is flat."""
    return partial_mean(highest(x, reach), reach)


def enlarge(coarse: Tensor, factor: int, row: int, column: int, height: int, width: int) -> Tensor:
    """Bring the detector's grid (B, C, h, w) to pixels, bilinearly, and cut a window out: (B, C, height, width).

    Args:
        coarse: a part of the grid; one of its pixels more on each side of the window, as far as the scene goes.
        factor: pixels along one of the grid.
        row: first row of the window in pixels, counted from the corner of `coarse`.
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
    """How far pixels outshine the ground in the visible, and are darker in the near infrared: (B, 2, H, W) reflectance.

    Args:
        optical: (B, 13, H, W) reflectance.
        ground: (B, 13, H, W) that would replace it.
        bands: that are there. Without visible or near infrared bands everything departs, by 1.
    """
    visible, infrared = there(bands, VISIBLE), there(bands, _INFRARED)
    return torch.cat(
        [_excess(optical[:, visible], ground[:, visible]), _excess(ground[:, infrared], optical[:, infrared])], dim=1
    )


def contrast(departs: Tensor, known: Tensor) -> Tensor:
    """How far pixels depart from the ground as cloud does, and as shadow does: (B, 2, H, W), 0 to 1.

    Where little is clear around, what would replace a pixel is made of ground in shadow as well: there shadow counts
    without being darker than the ground. In part, since such ground shows less than the pixel does.

    Args:
        departs: (B, 2, H, W) `departure`.
        known: (B, 1, H, W) how much of the ground around is seen, 0 to 1.
    """
    darker = torch.maximum(ramp(departs[:, 1:], 0, _DARKER), _UNKNOWN * (1 - known))
    return torch.cat([_outshines(departs[:, :1]), darker], dim=1)


def brightness(optical: Tensor, ground: Tensor) -> Tensor:
    """How far pixels, or some beside them, outshine the ground as cloud does: (B, 1, H, W), 0 to 1.

    Args:
        optical: (B, N, H, W) reflectance in those bands of `VISIBLE` that are there, one at least.
        ground: (B, N, H, W) that would replace it.
    """
    return _outshines(_excess(optical, ground))


def there(bands: Sequence[str], names: Sequence[str]) -> list[int]:
    """The places of those of the bands `names` that are there."""
    return [INDEX[name] for name in names if name in bands]


def ceiling(departs: Tensor, known: Tensor) -> Tensor:
    """The opacity that pixels have at most: (B, 1, H, W), 1 where ground around is seen; arguments of `contrast`."""
    seen = ground_seen(known)
    if (seen == 1).all():
        return seen
    (bright, brightest), (dark, darkest) = _PLAIN
    plain = partial_mean(highest_around(ramp(departs[:, :1], bright, brightest), _EDGE), _CONTRAST)
    plain = torch.maximum(plain, ramp(departs[:, 1:], dark, darkest))
    return _PART + (1 - _PART) * torch.maximum(plain, seen)


def ground_seen(known: Tensor) -> Tensor:
    """How far the ground around is no guess, (B, 1, H, W), of how much of it is seen, 0 to 1."""
    return (known / SEEN).clamp(max=1)


def _excess(bright: Tensor, dark: Tensor) -> Tensor:
    """How far one image (B, N, H, W) outshines another, mean of its bands: (B, 1, H, W) reflectance."""
    if not bright.shape[1]:
        return bright.new_ones(len(bright), 1, *bright.shape[2:])
    return partial_mean((bright - dark).mean(1, keepdim=True), _CONTRAST)


def _outshines(visible: Tensor) -> Tensor:
    return highest(ramp(visible, 0, _BRIGHTER), _FRINGE)


def compose_opacity(
    network: Tensor,
    found: Tensor,
    departs: Tensor,
    limit: Tensor,
    threshold: float = THRESHOLD,
    mask: Tensor | None = None,
) -> Tensor:
    """The opacity of each pixel, (B, 1, H, W); exactly 0 where the pixel is to be kept.

    From the threshold to its double it rises from 0, so that no outline is left at the threshold.

    Args:
        network: (B, 1, H, W) opacity as the network sees it.
        found: (B, 4, H, W) `evidence`, enlarged to the pixels.
        departs: (B, 2, H, W) `contrast`.
        limit: (B, 1, H, W) `ceiling`.
        threshold: opacity under which a pixel is kept.
        mask: (B, 1, H, W) `cover` of the user's mask: where it is 1 the pixel is replaced wholly.
    """
    cloud, shadow, near, haze = torch.split(found, 1, dim=1)
    odds = _network_odds(network) + _FOUND * (cloud * departs[:, :1] + shadow * departs[:, 1:])
    opacity = torch.sigmoid(odds - _VETO * (1 - torch.maximum(near, haze)))
    opacity = torch.minimum(opacity * ((opacity - threshold) / max(threshold, 1e-6)).clamp(0, 1), limit)
    return opacity if mask is None else torch.maximum(opacity, mask)


def _network_odds(network: Tensor) -> Tensor:
    return torch.logit(network.float(), eps=1e-4).clamp(-_LIMIT, _LIMIT)


def cover_input(found: Tensor, mask: Tensor | None = None) -> Tensor:
    """The cover as input of the network, (B, 1, h, w), see `Observation.cover`.

    In haze, for which the detector does not look, that it found nothing says nothing.

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
        network: (B, 1, h, w) opacity as the network sees it; whatever it may see, if that is not known.
    """
    cloud, shadow, near, haze = found.unbind(dim=1)
    seen = _LIMIT if network is None else _network_odds(network)[:, 0] + _ROUNDED
    highest_odds = seen + _FOUND * (cloud + shadow) - _VETO * (1 - torch.maximum(near, haze))
    least = -math.inf if threshold <= 0 else math.log(threshold / (1 - threshold)) if threshold < 1 else math.inf
    return highest_odds > least


def trusted(probabilities: Tensor) -> Tensor:
    """What is left of the trust in what shows clear ground, (B, 1, h, w), where the detector finds cover; 0 to 1.

    Ground is spread from trusted cells, and cover that the network takes for ground would colour it. A tenth is kept,
    so that a scene that is covered all over keeps its own colour.

    Args:
        probabilities: (B, 4, h, w) as `evidence` takes them.
    """
    hidden = widen(probabilities[:, :3].sum(1, keepdim=True).clamp(max=1), _TAINTED)
    return _KEPT + (1 - _KEPT) * (1 - hidden)


def cover(mask: Tensor) -> Tensor:
    """Of a mask (B, 1, H, W), 1 where it covers, how far a pixel is covered: 1 inside, falling smoothly outside."""
    return widen(mask, MASK_RIM)


def classify(opacity: Tensor, network: Tensor, found: Tensor, departs: Tensor, valid: Tensor) -> Tensor:
    """The mask class of each pixel, (B, 1, H, W) uint8, see `detection.classes`.

    Args:
        opacity: of `compose_opacity`; what is above 0 is covered.
        network: its argument of that name; cloud is thick from 0.5 on.
        found: its argument of that name.
        departs: its argument of that name.
        valid: (B, 1, H, W) where there is data.
    """
    cloud, shadow = found[:, :1], found[:, 1:2]
    # Both have a say: cloud is not darker than the ground, nor shadow brighter, however sure the detector is.
    bright, dark = departs[:, :1], departs[:, 1:]
    darker = (shadow + _DOUBTED) * (dark + _UNSEEN) > (cloud + _DOUBTED) * (bright + _UNSEEN)
    thick = (network >= 0.5) | ((cloud >= 0.5) & (departs[:, :1] >= 1))
    kind = torch.where(darker, SHADOW, torch.where(thick, THICK_CLOUD, THIN_CLOUD))
    kind = torch.where(opacity > 0, kind, CLEAR)
    return torch.where(valid > 0, kind, NO_DATA).to(torch.uint8)
