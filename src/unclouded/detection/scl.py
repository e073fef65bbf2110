"""Sen2Cor's scene classification (SCL) beside the detector: what it adds, and what it must not.

SCL sees cloud and shadow that the detector misses, and calls bright roofs, bare ground and snow cloud, and clear days
thin cirrus. So it is believed where the detector finds something itself within 80 m, be it faint, and only where it
says cloud (8, 9) or cloud shadow (3); its shadow also where land is too dark to be sunlit, since what casts it may
stand outside. `benchmarks/scl.py` shows what that is worth, and what believing all of it costs.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unclouded.detection.csmask import coarsen
from unclouded.detection.opacity import widen

CLOUD, CLOUD_SHADOW = (8, 9), (3,)
"""Values that are joined with what the detector finds; not 10, thin cirrus."""

SNOW = 11

_SILENT = (0, 1)
"""No data, and saturated or defective pixels."""

_NEAR = 1
"""Pixels of the detector's grid by which what it finds is widened, and then smoothed: 40 m each."""

_ENOUGH = 0.5
"""Probability around from which on SCL is believed wholly; below in proportion."""

JOIN_REACH = 2 * _NEAR
"""Pixels of the detector's grid beyond which nothing matters to `join`."""


def shares(values: NDArray[np.int32], factor: int) -> NDArray[np.float32]:
    """Shares of the detector's pixels, (2, ceil(h / f), ceil(w / f)), that SCL (h, w) calls cloud, and shadow."""
    called = np.stack([np.isin(values, kinds) for kinds in (CLOUD, CLOUD_SHADOW)])
    return coarsen(called.astype(np.float32), factor)


def count_snow(values: NDArray[np.int32], valid: NDArray[np.bool_]) -> tuple[int, int]:
    """Of the valid pixels (h, w), how many SCL (h, w) calls snow, and of how many it says what they are."""
    said = valid & (values >= 0) & ~np.isin(values, _SILENT)
    return int((said & (values == SNOW)).sum()), int(said.sum())


def join(probabilities: Tensor, called: Tensor) -> Tensor:
    """Join the detector's answer with SCL.

    Args:
        probabilities: (B, 4, h, w) of cloud, of shadow, haze, and land too dark to be sunlit, see `detection.shadow`.
        called: (B, 2, h, w) of `shares`.

    Returns:
        (B, 4, h, w) the same, of cloud and shadow nowhere less, and no more where nothing was found around, of shadow
        unless the land is dark.
    """
    found = probabilities[:, :2]
    around = widen(found.sum(1, keepdim=True).clamp(max=1), _NEAR)
    near = (around / _ENOUGH).clamp(max=1)
    found = torch.maximum(found, called * torch.cat([near, torch.maximum(near, probabilities[:, 3:])], dim=1))
    return torch.cat([found, probabilities[:, 2:]], dim=1)
