"""Sen2Cor's scene classification (SCL), joined with the detector's probabilities.

SCL finds cloud and shadow that the detector misses, but also calls bright roofs, bare ground and snow cloud, and clear
days thin cirrus. So it counts only where the detector finds something within 80 m, however faint, and only its cloud
(8, 9) and cloud shadow (3); its shadow also where land is too dark to be sunlit, since the cloud that casts it may lie
outside of the scene. `benchmarks/scl.py` measures what that gains, and what all of SCL would cost.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unclouded.detection.csmask import coarsen
from unclouded.detection.opacity import dilate

CLOUD, CLOUD_SHADOW = (8, 9), (3,)
"""Classes that are joined with the detector's probabilities; not 10, thin cirrus."""

SNOW = 11

_UNCLASSIFIED = (0, 1)
"""No data, and saturated or defective pixels."""

_NEAR = 1
"""Radius, in pixels of the detector's grid (40 m), by which its probabilities are dilated."""

_FULL_WEIGHT = 0.5
"""Probability nearby from which on SCL counts fully; below in proportion."""

JOIN_RADIUS = 2 * _NEAR
"""Radius, in pixels of the detector's grid, of what `join` depends on."""


def shares(values: NDArray[np.int32], factor: int) -> NDArray[np.float32]:
    """Shares of each detector pixel, (2, ceil(h / f), ceil(w / f)), that SCL (h, w) calls cloud, and shadow."""
    classified = np.stack([np.isin(values, kinds) for kinds in (CLOUD, CLOUD_SHADOW)])
    return coarsen(classified.astype(np.float32), factor)


def count_snow(values: NDArray[np.int32], valid: NDArray[np.bool_]) -> tuple[int, int]:
    """Number of valid pixels (h, w) that SCL (h, w) classifies as snow, and that it classifies at all."""
    classified = valid & (values >= 0) & ~np.isin(values, _UNCLASSIFIED)
    return int((classified & (values == SNOW)).sum()), int(classified.sum())


def join(probabilities: Tensor, classified: Tensor) -> Tensor:
    """Join the detector's probabilities with SCL.

    Args:
        probabilities: (B, 4, h, w) of cloud, of shadow, haze, and land too dark to be sunlit, see `detection.shadow`.
        classified: (B, 2, h, w) `shares`.

    Returns:
        (B, 4, h, w) the same; those of cloud and shadow are nowhere lower, and higher only near what was detected, or
        in the case of shadow on land too dark to be sunlit.
    """
    found = probabilities[:, :2]
    around = dilate(found.sum(1, keepdim=True).clamp(max=1), _NEAR)
    near = (around / _FULL_WEIGHT).clamp(max=1)
    found = torch.maximum(found, classified * torch.cat([near, torch.maximum(near, probabilities[:, 3:])], dim=1))
    return torch.cat([found, probabilities[:, 2:]], dim=1)
