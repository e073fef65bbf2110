"""Ground of a reference that is brighter than any that the scene shows: snow, or cloud that no mask has.

A relation between two dates holds for the ground that both show. A date half under snow has two relations, and what is
fitted to both at once is wrong for either.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from unclouded.references.statistics import Statistics

Float32 = NDArray[np.float32]

_USUAL = 0.995
_ROOM, _FADE = 0.12, 0.05
"""Reflectance above the brightest usual ground of the scene, and over how much of it a pixel fades."""
_DARK = 0.05
"""The quantile by which the two dates' levels are compared: ground as long as a twentieth of it is free."""


@dataclass(frozen=True)
class BrightnessLimit:
    """Up to which reflectance a pixel of a reference is taken for ground that the scene may show too.

    Attributes:
        band: its place among the reference's bands: the one of shortest wavelength that both dates have, in which snow
            and cloud differ most from ground. B01 counts last, for its coarse pixels.
        most: reflectance.
    """

    band: int
    most: float

    def ground(self, reflectance: Float32) -> Float32:
        """How far pixels (C, ...) of the reference may be ground, (...): 1 up to 0.05 below the limit, 0 beyond it."""
        share: Float32 = np.clip((np.float32(self.most) - reflectance[self.band]) / np.float32(_FADE), 0, 1)
        return share


def brightness_limits(statistics: Statistics) -> list[BrightnessLimit | None]:
    """Of each reference, from what the scene shows clear; None without a band or a pixel that both have."""
    layout = statistics.layout
    limits: list[BrightnessLimit | None] = []
    for k in range(len(layout.references)):
        shortest, both = layout.shortest(k), statistics.sample_visible[:, k]
        if shortest is None or not both.any():
            limits.append(None)
            continue
        ours, theirs = shortest
        columns = [ours, layout.channels(k).start + theirs]
        mine, other = np.quantile(statistics.samples[both][:, columns], _DARK, axis=0)
        usual = np.quantile(statistics.samples[:, ours], _USUAL)
        limits.append(BrightnessLimit(theirs, float(usual + other - mine) + _ROOM))
    return limits


def without_bright(statistics: Statistics, limits: list[BrightnessLimit | None]) -> Statistics:
    """The statistics, the references' pixels and cells beyond their limits taken for unseen."""
    visible, agree = statistics.sample_visible.copy(), statistics.agree.copy()
    for k, limit in enumerate(limits):
        if limit is not None:
            channel = statistics.layout.channels(k).start + limit.band
            visible[:, k] &= statistics.samples[:, channel] <= limit.most
            agree[k] &= statistics.peak[k] <= limit.most
    return replace(statistics, sample_visible=visible, agree=agree)
