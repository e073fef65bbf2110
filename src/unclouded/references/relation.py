"""The scene's bands of a reference: its own, and those that it lacks, predicted from a date that has both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unclouded.references.statistics import Statistics

Float32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

_RIDGE = 1e-2
_LEAST = 50
"""Samples of a date that has both, to predict a band from others."""


@dataclass(frozen=True)
class Relation:
    """How the scene's bands come from a reference's.

    Attributes:
        columns: the reference's bands among all channels.
        coefficients: (1 + P, C), the intercept first; 0 for a band that it does not give.
        predicted_bands: (C,) bands that the reference gives, measured or predicted.
        own: (C,) those that the reference has itself.
        error: mean absolute error to expect of the predicted bands, averaged over all that it gives.
    """

    columns: list[int]
    coefficients: Float32
    predicted_bands: Mask
    own: Mask
    error: float

    def __call__(self, channels: Float32) -> Float32:
        """Reflectance (C, n) of pixels (channels, n)."""
        made: Float32 = self.coefficients[1:].T @ channels[self.columns] + self.coefficients[0][:, None]
        return made


def relations(statistics: Statistics, taken: Sequence[int]) -> dict[int, Relation]:
    """Of references, those that share a band with the scene; what one lacks is learnt from the others."""
    layout = statistics.layout
    shared = {k: [b for b in layout.bands if b in layout.references[k].bands] for k in taken}
    return {k: _relation(statistics, k, list(taken)) for k in taken if shared[k]}


def _relation(statistics: Statistics, k: int, taken: list[int]) -> Relation:
    layout = statistics.layout
    bands = layout.references[k].bands
    first = layout.channels(k).start
    coefficients = np.zeros((1 + len(bands), len(layout.bands)), np.float32)
    own = np.array([band in bands for band in layout.bands])
    predicted_bands, errors = own.copy(), np.zeros(len(layout.bands))
    for c, band in enumerate(layout.bands):
        if own[c]:
            coefficients[1 + bands.index(band), c] = 1
            continue
        learnt = _from_others(statistics, band, bands, [m for m in taken if m != k])
        if learnt is not None:
            predicted_bands[c] = True
            coefficients[:, c], errors[c] = learnt
    return Relation(
        list(range(first, first + len(bands))),
        coefficients,
        predicted_bands,
        own,
        float(errors.sum() / max(predicted_bands.sum(), 1)),
    )


def _from_others(
    statistics: Statistics, band: str, bands: Sequence[str], others: Sequence[int]
) -> tuple[Float32, float] | None:
    """Coefficients (1 + P,) of a band on those of a reference, and their mean error; the first date that has both."""
    layout = statistics.layout
    for m in others:
        theirs = layout.references[m].bands
        common = [b for b in bands if b in theirs]
        if band not in theirs or not common:
            continue
        rows = np.concatenate(
            [statistics.hidden[statistics.hidden_visible[:, m]], statistics.samples[statistics.sample_visible[:, m]]]
        )[:, layout.channels(m)].astype(np.float64)
        if len(rows) < _LEAST:
            continue
        x, y = rows[:, [theirs.index(b) for b in common]], rows[:, theirs.index(band)]
        centre, deviation = x.mean(axis=0), x.std(axis=0) + 1e-4
        z = (x - centre) / deviation
        w = np.linalg.solve(z.T @ z + _RIDGE * len(z) * np.eye(len(common)), z.T @ (y - y.mean())) / deviation
        made = np.zeros(1 + len(bands), np.float32)
        made[0] = y.mean() - centre @ w
        made[[1 + list(bands).index(b) for b in common]] = w
        return made, float(abs(y - y.mean() - (x - centre) @ w).mean())
    return None
