"""Ground of other dates, interpolated in time, for a scene that shows too little of its own to fit a regression to.

The dates are combined by ordinary kriging in time, see `kriging`. What little ground the scene does show corrects the
whole: a ridge regression whose prior is the ground as it is, so that few pixels change little. The error to expect
is learnt from the dates themselves, each predicted from the others (leave-one-out).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from unclouded.references.correction import Correction
from unclouded.references.expected_error import ExpectedError
from unclouded.references.kriging import Kriging, KrigingEstimate
from unclouded.references.relation import Relation, relations
from unclouded.references.squares import SIDE, Float16, Ground, fading, squares
from unclouded.references.statistics import Layout, Statistics

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST_KNOWN = 150
"""Samples of ground that the scene shows from which on a relation is fitted instead."""
_SCARCE = 0.1
"""Share of the pixels under which what is taken for clear ground may be cloud, and is held against the dates."""
_MOST, _ENOUGH = 6, 3
"""Dates that are combined, and how many of them are to show a pixel."""
_TYPICAL = 0.035
"""Error, by `Kriging.variance` of 1, of dates without any comparison: the median of the places measured."""
_SHARED = 1.05
"""By how much the error is larger than between dates: the median of the places measured."""
_BRIGHTER, _FADE = 0.08, 0.04
"""Reflectance above the median of three dates or more from which on a date is not believed, and over how much."""
_ALONE = 0.98
_FLOOR = np.float32(1e-4)
_TRIALS = 6_000
_SLOPES = (0.5, 0.5)
"""Of the log error against those of how far the dates differ and of the brightness, if nothing else is known."""
_DARKEST, _SMALLEST = np.float32(1e-2), 1e-4
_INTERVAL, _INSIDE = 2.3, 0.9
"""Half the 90 % interval in mean absolute errors if they are Laplace's, and what share it is to hold."""


@dataclass(frozen=True)
class TemporalInterpolation:
    """What pass 2 needs beside the references' own pixels.

    Attributes:
        layout: of the scene.
        needed: the references that are taken.
        relations: of each, to the scene's bands.
        kriging: of their dates.
        visible: (K, h, w) share of each cell that they show.
        shortest: the band of shortest wavelength, in which cloud and snow are brightest.
        error: to expect, in that of `KrigingEstimate.growth`, from `_error_features`.
        correction: towards what the scene shows.
        interval: see `squares.Prediction`.
    """

    layout: Layout
    needed: list[int]
    relations: list[Relation]
    kriging: Kriging
    visible: Float16
    shortest: int
    error: ExpectedError
    correction: Correction
    interval: float

    @property
    def predicted_bands(self) -> Mask:
        """(C,) bands of the scene that any of the references has."""
        predicted_bands: Mask = np.logical_or.reduce([relation.predicted_bands for relation in self.relations])
        return predicted_bands

    def predict(
        self,
        row: int,
        column: int,
        references: Sequence[Float32 | None],
        references_clear: Sequence[Mask | None],
        wanted: Mask,
    ) -> Ground:
        """Predict the pixels of a window that are wanted, see `squares.Prediction`."""
        out = Ground.empty(len(self.layout.bands), *wanted.shape)
        out.predicted_bands[:] = self.predicted_bands
        numbers = np.array(self.needed, np.int16)
        for square, take in squares(row, column, wanted):
            pixels, visible = square.shown(self.layout, self.needed, references, references_clear)
            fade = fading(square.enlarge(self.visible, self.layout.cell)) * visible[self.needed]
            flat = pixels.reshape(len(pixels), -1)
            estimate = self._krige(flat, fade.reshape(len(fade), -1))
            error = self.error(_error_features(estimate)) * estimate.growth
            derived = np.array([relation.error for relation in self.relations], np.float32) @ estimate.weight
            shape = (SIDE, SIDE)
            source = np.where(estimate.known > 0, numbers[estimate.weight.argmax(axis=0)], np.int16(-1))
            out.put(
                square,
                take,
                self.correction(estimate.ground).reshape(-1, *shape) * self.predicted_bands[:, None, None],
                np.hypot(error, derived).reshape(shape),
                source.reshape(shape),
                estimate.known.reshape(shape),
            )
        return out

    def _krige(self, channels: Float32, visible: Float32) -> KrigingEstimate:
        return _krige(self.relations, self.kriging, channels, visible, self.shortest)


def scarce(statistics: Statistics) -> bool:
    """Whether a scene shows little enough ground that it may be too little to fit a relation to."""
    pixels = statistics.layout.height * statistics.layout.width
    return len(statistics.samples) < LEAST_KNOWN or float(statistics.clear.sum()) < _SCARCE * pixels


def interpolate(statistics: Statistics, comparable: Sequence[int]) -> TemporalInterpolation | None:
    """Interpolate the ground of other dates in time; None for a scene that shows enough to fit a regression to.

    Args:
        statistics: of the scene and its references.
        comparable: references of the same level and encoding as the scene.
    """
    if not scarce(statistics):
        return None
    found = relations(statistics, _chosen(statistics, comparable))
    if not found:
        return None
    interpolation = _fit(statistics, list(found), list(found.values()))
    return interpolation if interpolation.correction.known < LEAST_KNOWN else None


def _fit(statistics: Statistics, taken: list[int], found: list[Relation]) -> TemporalInterpolation:
    layout = statistics.layout
    days = [layout.references[k].days for k in taken]
    kriging = Kriging.of(days)
    predicted_bands = np.logical_or.reduce([relation.predicted_bands for relation in found])
    shortest = min(np.flatnonzero(predicted_bands).tolist(), key=lambda b: (layout.bands[b] == "B01", b))
    channels = np.concatenate([statistics.hidden, statistics.samples]).T
    visible = np.concatenate([statistics.hidden_visible, statistics.sample_visible])[:, taken].T.astype(np.float32)
    estimate = _krige(found, kriging, channels, visible, shortest)
    somewhere = estimate.known > 0
    error, interval = _learn(found, days, channels, visible, shortest, _error_features(estimate)[:, somewhere])
    ours = _part(estimate, slice(len(statistics.hidden), None))
    expected = error(_error_features(ours)) * ours.growth
    truth = statistics.samples[:, : len(layout.bands)].T
    correction = Correction.fit(
        ours.ground, truth, ours.known, expected, predicted_bands, estimate.ground[:, somewhere]
    )
    cells = statistics.visible[taken].astype(np.float16)
    error = error.scaled(correction.factor)
    return TemporalInterpolation(layout, taken, found, kriging, cells, shortest, error, correction, interval)


def _chosen(statistics: Statistics, comparable: Sequence[int]) -> list[int]:
    """The nearest dates, as far as they show covered cells that not enough nearer ones do."""
    covered = statistics.covered > 0
    if not covered.any():
        return []

    def key(k: int) -> tuple[float, int]:
        days = statistics.layout.references[k].days
        return abs(days) if days is not None else np.inf, k

    taken: list[int] = []
    count = np.zeros(int(covered.sum()), np.float32)
    for k in sorted(comparable, key=key):
        visible = statistics.visible[k][covered]
        if len(taken) < _MOST and (visible * (count < _ENOUGH)).mean() > 0.005:
            taken.append(k)
            count += visible
    return taken


def _krige(
    found: Sequence[Relation], kriging: Kriging, channels: Float32, visible: Float32, shortest: int
) -> KrigingEstimate:
    """What references show of pixels (channels, n), as far as `visible` (K, n) says."""
    values = np.stack([relation(channels) for relation in found])
    return kriging(values, visible * _believed(values[:, shortest], visible > 0))


def _believed(values: Float32, visible: Mask) -> Float32:
    """How far dates (K, n) are believed, by a band in which what hides the ground is bright; where three show it."""
    if len(values) < 3:
        return np.ones_like(values)
    ordered = np.sort(np.where(visible, values, np.float32(np.inf)), axis=0)
    count = visible.sum(axis=0)
    median = np.take_along_axis(ordered, np.maximum(count - 1, 0)[None] // 2, axis=0)[0]
    median[count < 3] = np.inf
    believed: Float32 = np.clip(1 - (values - median - np.float32(_BRIGHTER)) / np.float32(_FADE), 0, 1)
    return believed


def _error_features(estimate: KrigingEstimate) -> Float32:
    """(2, n) predictors of the error: logs of how far the dates differ, and of the brightness."""
    differ = np.log(estimate.spread + _FLOOR)
    differ[estimate.weight.max(axis=0) > _ALONE] = np.nan
    return np.stack([differ, np.log(np.maximum(estimate.ground.mean(axis=0), _DARKEST))])


def _learn(
    found: Sequence[Relation],
    days: Sequence[float | None],
    channels: Float32,
    visible: Float32,
    shortest: int,
    asked: Float32,
) -> tuple[ExpectedError, float]:
    """The error to expect, from each date predicted by the others, and half the width of the 90 % interval.

    Few dates say little: the size is drawn towards the typical, as if that were one date more. Where in an image it is
    large is learnt within each date, as some dates are hazy or far off all over.
    """
    count = len(found)
    step = max(1, -(-channels.shape[1] * count // _TRIALS))
    channels, visible = channels[:, ::step], visible[:, ::step]
    groups, ratios = [], []
    for k, relation in enumerate(found):
        others = [i for i in range(count) if i != k]
        both = (visible[k] > 0) & (visible[others] > 0).any(axis=0)
        if not both.any():
            continue
        moved = [None if days[i] is None or days[k] is None else days[i] - days[k] for i in others]  # type: ignore[operator]
        kept = channels[:, both]
        predicted = _krige([found[i] for i in others], Kriging.of(moved), kept, visible[others][:, both], shortest)
        ratio = abs(predicted.ground - relation(kept))[relation.own] / np.maximum(predicted.growth, _FLOOR)
        groups.append((_error_features(predicted), ratio.mean(axis=0)))
        ratios.append(ratio)
    learnt = ExpectedError.fit_within(groups, _SLOPES, asked)
    if not groups:
        return learnt.scaled(_TYPICAL), _INTERVAL
    mean = max(float(np.concatenate([error for _, error in groups]).mean()), _SMALLEST)
    size = np.exp(((count - 1) * np.log(mean) + np.log(_TYPICAL)) / count)
    typical = learnt.scaled(mean)
    within = [(r / typical.within(features)).ravel() for r, (features, _) in zip(ratios, groups, strict=True)]
    return learnt.scaled(_SHARED * float(size)), float(np.quantile(np.concatenate(within), _INSIDE))


def _part(estimate: KrigingEstimate, part: slice) -> KrigingEstimate:
    return KrigingEstimate(*(getattr(estimate, f.name)[..., part] for f in fields(estimate)))
