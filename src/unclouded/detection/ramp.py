"""Limits that are no steps: what lies between two values counts in proportion."""

from __future__ import annotations

from torch import Tensor


def ramp(x: Tensor, none: float, full: float) -> Tensor:
    """How far `x`, of any shape, has come from where nothing counts to where all does: 0 at `none`, 1 at `full`.

    Beyond them it stays so. `full` may be the smaller of the two: then what is low counts.
    """
    return ((x - none) / (full - none)).clamp(0, 1)
