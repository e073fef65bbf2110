"""A linear ramp between two limits, as a soft threshold."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

_Values = TypeVar("_Values", Tensor, NDArray[np.float32])


def ramp(x: _Values, none: float, full: float) -> _Values:
    """0 where `x`, of any shape, is at `none`, 1 at `full`, linear between them and constant beyond; NaN stays.

    `full` may be the smaller of the two: then the ramp falls.
    """
    share: _Values = ((x - none) / (full - none)).clip(0, 1)
    return share
