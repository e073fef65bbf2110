"""What replaces cover, and where: the network's ground, the scene's own, that of other dates, and what shadow shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from unclouded.bands import INDEX, LEVELS, NAMES, VISIBLE
from unclouded.clearing.context.ground import (
    DETAIL,
    MISSED,
    MISSED_WITH_MASK,
    belief_in_fill,
    match_level,
    settle_ground,
)
from unclouded.clearing.context.relighting import LIGHT_ERROR, relit
from unclouded.clearing.context.shadow_detail import SHADOW_DETAIL_RADIUS, ShadowDetail
from unclouded.clearing.tiles.known_cover import KnownCover
from unclouded.detection.classes import CLEAR, NO_DATA, SHADOW
from unclouded.detection.filters import mean_filter, octagon_maximum_filter
from unclouded.detection.opacity import (
    brightness,
    ceiling,
    classify,
    compose_opacity,
    contrast,
    departure,
    enlarge,
    ground_seen,
    positions,
)
from unclouded.models.generator import Translation, compose
from unclouded.models.observation import CELL, Observation
from unclouded.tiles import Box

_BESIDE = 4
"""Pixels by which what is opaque is widened, and then smoothed: else its edges, and cracks in it, stay as lines."""

_SMOOTH = 3
"""Pixels around one over which its error is averaged, twice: what that reaches lies within one cell."""

_AREA = 8
"""Pixels around one over which it is averaged besides, where next to no clear ground is around: what the context says
there has a grid of 160 m. All that reaches lies within four cells."""


class Composition:
    """Makes of what the network gives what is laid over the image: settled ground, and the opacity of all evidence."""

    def __init__(self, x: Observation, cover: KnownCover, around: Box, threshold: float) -> None:
        place = around.row, around.column, around.height, around.width
        self._optical, self._valid = x.optical[(..., *around.slices)], x.valid[(..., *around.slices)]
        self._bands = [name for name, there in zip(NAMES, x.present[0].tolist(), strict=True) if there]
        self._present = [INDEX[name] for name in self._bands]
        self._found = enlarge(cover.evidence, cover.factor, *place)
        fill, clear, light, light_known = torch.split(cover.fill, [len(NAMES), 1, 1, 1], dim=1)
        self._fill = enlarge(fill * x.present[:, :, None, None], CELL, *place)
        self._clear = enlarge(clear, CELL, *place)
        self._mask = None if cover.mask is None else cover.mask[(..., *around.slices)]
        self._mask_classes = None if cover.mask_classes is None else cover.mask_classes[(..., *around.slices)]
        self._dates = None if cover.dates is None else cover.dates.within(around)
        self._known = self._clear
        if self._dates is not None:
            self._known = torch.maximum(self._clear, self._dates.share)
            self._dated = self._dates.share * self._dates.predicted_bands
        self._seen = ground_seen(self._known)
        self._threshold = threshold
        self._missed = MISSED if self._mask is None else MISSED_WITH_MASK
        self._thick = _opaque(x, cover, around, self._bands)
        self._shadow, self._relit = _in_shadow(x, cover, around), None
        if (light_known > 0).any():
            self._relit = relit(self._optical, enlarge(light, CELL, *place), LEVELS[int(x.level[0])])
            self._light_known = enlarge(light_known, CELL, *place) * (1 - self._found[:, :1]) * (1 - self._thick)

    def ground(self, made: Translation) -> Tensor:
        """Give the ground (B, 13, H, W) that is to be expected, without what shadow shows of it."""
        ground = self._settled(torch.lerp(made.ground, made.expected, self._thick), made.detail, self._thick)
        return ground if self._dates is None else torch.lerp(ground, self._dates.ground, self._dated)

    def _lit(self, made: Translation, ground: Tensor) -> Tensor:
        """The `ground` of what the network gave, and where nothing but shadow lies over it what the pixels show."""
        lit = ground
        if self._shadow is not None:
            own = made.detail * ((1 - (1 - DETAIL) * self._seen) * (1 - self._thick))
            lit = self._shadow.over(ground, own, self._bands)
        if self._relit is not None:
            lit = torch.lerp(lit, self._relit, self._light_known)
        return lit if self._dates is None else torch.lerp(lit, ground, self._dated)

    def _settled(self, ground: Tensor, detail: Tensor, thick: Tensor) -> Tensor:
        """The network's ground over the fill, see `settle_ground`."""
        belief = belief_in_fill(ground, self._fill, self._clear, self._missed, self._bands)
        return settle_ground(ground, detail, self._fill, belief, thick)

    def image(self, made: Translation, ground: Tensor, opacity: Tensor) -> Tensor:
        """Give the composed image (B, 13, H, W), of the `ground` of what the network gave."""
        image = compose(self._optical, made._replace(ground=self._lit(made, ground), opacity=opacity))
        if (self._seen == 1).all():
            return image
        nothing_through = torch.ones_like(self._thick)
        expected = self._settled(made.expected, made.detail, nothing_through)
        # What holds no data has no level.
        return match_level(image, expected, torch.lerp(torch.ones_like(opacity), opacity, self._valid), 1 - self._seen)

    def error(self, expected: Tensor) -> Tensor:
        """Give the error that is to be expected (B, 1, H, W): of the area, where next to no clear ground is around."""
        if (self._seen == 1).all():
            return expected
        return torch.lerp(mean_filter(expected, _AREA), expected, self._seen)

    def with_light_error(self, uncertainty: Tensor, kept: tuple[Any, ...]) -> Tensor:
        """Add the error of the light of what lies in the shadow of a cloud outside, of the pixels `kept`."""
        if self._relit is None:
            return uncertainty
        brightened = (self._relit - self._optical)[:, self._present].mean(1, keepdim=True).abs() * self._light_known
        return torch.hypot(uncertainty, LIGHT_ERROR * brightened[kept])

    def cover(self, network: Tensor, ground: Tensor) -> tuple[Tensor, Tensor]:
        """Give opacity and class of each pixel, (B, 1, H, W) each, by what the network sees and the `ground`."""
        departed = departure(self._optical, ground, self._bands)
        contrasts, limit = contrast(departed, self._known), ceiling(departed, self._known)
        opacity = compose_opacity(network, self._found, contrasts, limit, self._threshold, self._mask)
        classes = classify(opacity, network, self._found, contrasts, self._valid)
        if self._mask_classes is not None:
            masked = (self._mask_classes != CLEAR) & (self._mask_classes != NO_DATA)
            classes = torch.where(masked, self._mask_classes, classes)
        return opacity, classes


def _opaque(x: Observation, cover: KnownCover, box: Box, bands: Sequence[str]) -> Tensor:
    """How surely nothing shows through the pixels of a box, (B, 1, h, w), 0 to 1.

    Opaque is what is surely cloud, by the detector or the mask given, and brighter than the ground around as far as
    there are visible bands to tell.
    """
    # It looks a cell farther than all else does.
    height, width = x.optical.shape[2:]
    wider = box.grown(CELL, Box(0, 0, height, width))
    place = wider.row, wider.column, wider.height, wider.width
    cloud = enlarge(cover.evidence[:, :1], cover.factor, *place)
    if cover.mask is not None:
        cloud = torch.maximum(cloud, cover.mask[(..., *wider.slices)])
    if visible := positions(bands, VISIBLE):
        ground = enlarge(cover.fill[:, visible], CELL, *place)
        cloud = cloud * brightness(x.optical[(..., *wider.slices)][:, visible], ground)
    widened = mean_filter(octagon_maximum_filter(cloud, _BESIDE), _BESIDE)
    return widened[(..., *box.within(wider).slices)]


def _in_shadow(x: Observation, cover: KnownCover, box: Box) -> ShadowDetail | None:
    """What the pixels of a box show that lie in shadow; None if none do."""
    height, width = x.optical.shape[2:]
    wider = box.grown(SHADOW_DETAIL_RADIUS, Box(0, 0, height, width))
    found = enlarge(cover.evidence[:, :2], cover.factor, wider.row, wider.column, wider.height, wider.width)
    share = found[:, 1:] * (1 - found[:, :1]) * x.valid[(..., *wider.slices)]
    if cover.mask_classes is not None:
        share = torch.maximum(share, (cover.mask_classes[(..., *wider.slices)] == SHADOW).float())
    if not share.any():
        return None
    return ShadowDetail.of(x.optical[(..., *wider.slices)], share).cropped(box.within(wider))


def smooth_error(error: Tensor) -> Tensor:
    """Take the grid of the network's blocks of 2 x 2 pixels out of its predicted errors (B, 1, H, W)."""
    for _ in range(2):
        error = mean_filter(error, _SMOOTH)
    return error
