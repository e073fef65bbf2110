"""What is known of the cover of crops, and of the ground under it, before the network sees them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from unclouded.bands import NAMES
from unclouded.detection.opacity import ENOUGH_CLEAR, cover_input
from unclouded.tiles import Box


class Transferred(NamedTuple):
    """What other dates say of the ground of a batch of crops.

    Attributes:
        ground: (B, 13, H, W) reflectance.
        uncertainty: (B, 1, H, W) of the ground, as `latent_sampling.Sampling` gives it.
        share: (B, 1, H, W) how much of the ground comes from other dates, 0 to 1.
        source: (B, 1, H, W) which reference, see `unclouded.sources`.
        predicted_bands: (B, 13, 1, 1) 1 for bands that other dates have, 0 for those that are left to the network.
    """

    ground: Tensor
    uncertainty: Tensor
    share: Tensor
    source: Tensor
    predicted_bands: Tensor

    @classmethod
    def nothing(cls, height: int, width: int) -> Transferred:
        """Of a crop of which no other date says anything."""
        empty = torch.zeros(1, 1, height, width)
        every = torch.ones(1, len(NAMES), 1, 1)
        return cls(torch.zeros(1, len(NAMES), height, width), empty, empty, empty, every)

    def within(self, box: Box) -> Transferred:
        """The part of it in a box."""
        return self._replace(**{name: getattr(self, name)[(..., *box.slices)] for name in self._fields[:-1]})


class KnownCover(NamedTuple):
    """What is known of the cover of a batch of crops beside the network's own opacity.

    Attributes:
        evidence: (B, 4, h, w) on the detector's grid, over whole cells.
        fill: (B, 16, H / 8, W / 8) the scene's clear ground filled in, see `ContextBuilder.fill`.
        mask: (B, 1, H, W) how far the user's mask covers each pixel, 0 to 1; None without one.
        mask_classes: (B, 1, H, W) uint8 its classes; None likewise.
        dates: what other dates say of the ground; None without any.
        factor: pixels along one of the detector's.
    """

    evidence: Tensor
    fill: Tensor
    mask: Tensor | None
    mask_classes: Tensor | None
    dates: Transferred | None
    factor: int

    @property
    def network_input(self) -> Tensor:
        """The cover as input of the network, see `Observation.cover`."""
        # Not interpolated, so that a pixel is the same in every crop, up to its edge.
        if self.mask is None:
            return F.interpolate(cover_input(self.evidence), scale_factor=self.factor, mode="nearest")
        return cover_input(F.interpolate(self.evidence, scale_factor=self.factor, mode="nearest"), self.mask)


def shows_ground(fill: Tensor | NDArray[np.float32]) -> bool:
    """Whether clear ground is seen around every cell of `KnownCover.fill`, so that no level is to be matched."""
    return bool((fill[:, len(NAMES)] >= ENOUGH_CLEAR).all())
