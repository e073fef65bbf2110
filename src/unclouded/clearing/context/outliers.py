"""Pixels of the scene that are not as the other dates predict the ground: cloud and shadow that no mask covers."""

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

_HALF_WIDTHS = 1.2
"""Half widths of the 90 % interval by which ground may be off its prediction."""

_PREDICTED = 0.5
"""Share of the ground of a pixel that has to come from other dates, or nothing is told of it."""


def outliers(
    transfer: Transfer,
    box: Box,
    reflectance: NDArray[np.float32],
    references: Sequence[tuple[NDArray[np.float32], Mask]],
    candidates: Mask,
) -> Mask:
    """Which of some pixels (h, w) of a box are not as predicted, by their mean over visible and near-infrared bands.

    Candidates beside one of them are not, either, and those are not that no other date shows.

    Args:
        transfer: fitted without the candidates.
        box: of the scene.
        reflectance: (C, h, w) of the scene.
        references: of each its reflectance (D, h, w), and where it shows the ground (h, w).
        candidates: (h, w).
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
    consistent = (departure <= _HALF_WIDTHS * transfer.interval * made.error) & (made.transferred >= _PREDICTED)
    beside = (
        maximum_filter(torch.from_numpy((candidates & ~consistent).astype(np.float32))[None, None], 1)[0, 0].numpy() > 0
    )
    return np.asarray(candidates & beside)
