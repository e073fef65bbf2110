"""Clouds that are not there: blobs of clear cells left out, so that what is said of them can be compared."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from unclouded.references.spread import spread

Float32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

_SHARE = 0.3
_SIZES = (0.5, 1.0, 1.5)
_WIDEST = 0.95


def distance_to(known: Mask) -> Float32:
    """Cells from each cell to the nearest known one (h, w); the grid's diagonal if none is."""
    if not known.any():
        return np.full(known.shape, np.hypot(*known.shape), np.float32)
    distance: Float32 = distance_transform_edt(~known).astype(np.float32)
    return distance


def blobs(clear: Mask, covered: Mask, count: int, seed: int = 0) -> Iterator[Mask]:
    """`count` masks (h, w), each of about three tenths of the clear cells.

    They are where smooth noise is high. Its width goes with the clouds that are there: half, one and one and a half
    times as wide as the innermost of the scene's covered cells are deep, so that distances to clear ground are alike.
    """
    rng = np.random.default_rng(seed)
    depth = distance_to(~covered)[covered]
    deepest = float(np.quantile(depth, _WIDEST)) if depth.size else 4.0
    for number in range(count):
        width = np.clip(_SIZES[number % len(_SIZES)] * deepest, 1.0, max(clear.shape) / 6)
        level = max(0, round(float(np.log2(width))))
        noise = rng.standard_normal((1, *clear.shape)).astype(np.float32)
        field = spread(noise, np.ones(clear.shape, np.float32), level, 0.0)[0]
        yield clear & (field > np.quantile(field[clear], 1 - _SHARE))
