"""Pixels of the scene that disagree with the ground that other dates predict: cloud and shadow beside a mask."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from unclouded.detection.csmask import FOUR_BANDS
from unclouded.detection.filters import maximum_filter
from unclouded.references.transfer import Transfer
from unclouded.tiles import Box

Mask = NDArray[np.bool_]

_MAX_DEPARTURE = 1.2
"""Departure of ground from its prediction, at most, in half widths of the 90 % interval."""

_MIN_TRANSFERRED = 0.5
"""Share of the ground of a pixel that has to come from other dates; else it is not known to agree."""


def outliers(
    transfer: Transfer,
    box: Box,
    reflectance: NDArray[np.float32],
    references: Sequence[tuple[NDArray[np.float32], Mask]],
    candidates: Mask,
) -> Mask:
    """Find the candidates (h, w) that disagree with their prediction in the mean of visible and near-infrared bands.

    Candidates next to one of them count as outliers, too, and so do those that no other date shows.

    Args:
        transfer: fitted without the candidates.
        box: of the scene.
        reflectance: (C, h, w) of the scene.
        references: the reflectance (D, h, w) of each, and where it shows the ground (h, w).
        candidates: (h, w) pixels to check.
    """
    if not candidates.any():
        return candidates
    images, clear = zip(*references, strict=True)
    made = transfer.predict(box.row, box.column, images, clear, candidates)
    names = transfer.layout.bands
    predicted = [name for name, known in zip(names, made.predicted_bands, strict=True) if known]
    compared = [names.index(name) for name in predicted if name in FOUR_BANDS] or [
        names.index(name) for name in predicted
    ]
    departure = np.abs(reflectance - made.reflectance)[compared].mean(axis=0)
    consistent = (departure <= _MAX_DEPARTURE * transfer.interval * made.error) & (made.transferred >= _MIN_TRANSFERRED)
    beside = (
        maximum_filter(torch.from_numpy((candidates & ~consistent).astype(np.float32))[None, None], 1)[0, 0].numpy() > 0
    )
    return np.asarray(candidates & beside)
