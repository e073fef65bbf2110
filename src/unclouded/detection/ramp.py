"""A linear ramp between two limits, as a soft threshold."""

from __future__ import annotations

from torch import Tensor


def ramp(x: Tensor, none: float, full: float) -> Tensor:
    """0 where `x`, of any shape, is at `none`, 1 at `full`, linear between them and constant beyond.

    `full` may be the smaller of the two: then the ramp falls.
    """
    return ((x - none) / (full - none)).clamp(0, 1)
