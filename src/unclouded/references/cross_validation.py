"""Cross-validation of sets of references: blobs of clear cells are left out of the fit in turn, and predicted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unclouded.references.holdout import blobs
from unclouded.references.mixture import clearly_less
from unclouded.references.ridge_fit import Fit, at_positions
from unclouded.references.statistics import Statistics

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

FOLDS = 4
FOLD_SAMPLE = 6_000
LEAST_SAMPLES = 50
MOST_REFERENCES = 6
MOST_TOGETHER = 4
_NEIGHBOURHOODS = 6
_STANDARD_ERRORS = 2.0
_LOWER_BOUND = (0.2, 0.25)
"""Lower bounds of the correlation at which trust is 0 and 1."""
_WORST_BLOB = (0.15, 0.25)
"""The same for the correlation in the worst blob."""
_HINT, _GAIN = 0.15, 0.1
"""Trust in a set without significant correlation whose error is a tenth below that of the fill."""
_NOTHING = 1e-12
_GROSS = 6.0
"""Departures from the fill are clipped at so many of its mean errors."""


@dataclass(frozen=True)
class HeldOutSamples:
    """Blobs of clear cells, the folds of the cross-validation, and the samples in them.

    Attributes:
        folds: (h, w) cells of each.
        samples: numbers of the samples in each.
        channels: (channels, n) of all those samples, one fold after the other.
        bands: of the scene, the first channels.
        visible: (K, n) where each reference is clear.
        group: (n,) number of the fold and part of the scene of each, as of `clearly_less`.
    """

    folds: list[Mask]
    samples: list[NDArray[np.intp]]
    channels: Float32
    bands: int
    visible: Mask
    group: NDArray[np.intp]

    @classmethod
    def draw(cls, statistics: Statistics) -> HeldOutSamples:
        """Draw blobs like the clouds of the scene."""
        layout = statistics.layout
        folds = list(blobs(statistics.clear > 0, statistics.covered > 0.5, FOLDS))
        row, column = (statistics.position // layout.cell).T
        samples = []
        for held in folds:
            inside = np.flatnonzero(held[row, column])
            samples.append(inside[:: max(1, -(-len(inside) // FOLD_SAMPLE))])
        every = np.concatenate(samples)
        part = statistics.position[every] * _NEIGHBOURHOODS // np.array([layout.height, layout.width])
        fold = np.repeat(np.arange(FOLDS), [len(s) for s in samples])
        group = (fold * _NEIGHBOURHOODS + part[:, 0]) * _NEIGHBOURHOODS + part[:, 1]
        channels = statistics.samples[every].T.copy()
        return cls(
            folds,
            samples,
            channels,
            len(layout.bands),
            statistics.sample_visible[every].T.copy(),
            group.astype(np.intp),
        )

    @property
    def truth(self) -> Float32:
        """(C, n) reflectance of the scene."""
        return self.channels[: self.bands]


@dataclass(frozen=True)
class Candidate:
    """Predictions of the held-out samples by one set of references.

    Attributes:
        fit: of the set.
        local: whether its coefficients vary over the scene.
        ground: (C, n) predictions.
        field: (2, n) logs of the distance and of the size of the residual, see `Fit.fields`.
        visible: (n,) where all of the set are clear.
        error: (n,) mean over the bands.
    """

    fit: Fit
    local: bool
    ground: Float32
    field: Float32
    visible: Mask
    error: Float32


def cross_validate(statistics: Statistics, held_out: HeldOutSamples, references: tuple[int, ...]) -> Candidate | None:
    """Cross-validate a set of references: one regression for the scene, or a local one if clearly better; None if few.

    The single regression is the default, also for scenes with too few clear pixels to decide.
    """
    fit = Fit(statistics, references)
    if len(fit.usable) < LEAST_SAMPLES + 2 * len(fit.columns):
        return None
    plain = _predict_folds(fit, held_out, local=False)
    if references and max(fit.lattice.shape) > 2:
        local = _predict_folds(fit, held_out, local=True)
        if clearly_less(local.error[plain.visible], plain.error[plain.visible], held_out.group[plain.visible]):
            return local
    return plain


def _predict_folds(fit: Fit, held_out: HeldOutSamples, local: bool) -> Candidate:
    layout, position = fit.statistics.layout, fit.statistics.position
    limits = fit.statistics.limits[:, :, None]
    grounds, fields = [], []
    for held, samples in zip(held_out.folds, held_out.samples, strict=True):
        coefficients = fit.coefficients(held, local)
        here = at_positions(fit.fields(coefficients, held), position[samples], layout.cell)
        made = (fit.at(samples, coefficients) + here[:, :-2]).T
        grounds.append(np.clip(made, *limits) if fit.references else made)
        fields.append(here[:, -2:].T)
    ground = np.concatenate(grounds, axis=1)
    visible: Mask = np.asarray(held_out.visible[list(fit.references)].all(axis=0))
    return Candidate(
        fit, local, ground, np.concatenate(fields, axis=1), visible, abs(ground - held_out.truth).mean(axis=0)
    )


def ratio_to_fill(candidate: Candidate, fill: Candidate) -> float:
    """Mean ratio of errors, those of the set to those of the fill from the scene alone; geometric, for gross errors."""
    if not candidate.visible.any():
        return np.inf
    mine, other = (np.log(t.error[candidate.visible] + np.float32(1e-3)) for t in (candidate, fill))
    return float(np.exp((mine - other).mean()))


def trust(candidate: Candidate, fill: Candidate, held_out: HeldOutSamples) -> float:
    """Share with which a set replaces the fill from the scene alone, 0 to 1; 0 if it does not help.

    It follows the correlation, over all held-out samples, of the predicted departures from the fill with the true ones;
    where the set is not clear it predicts none. For a useless set the correlation is due to chance and only large if
    few neighbourhoods or some blobs make it up: so trust uses its lower bound, two standard errors below (jackknife
    over neighbourhoods, Efron and Stein 1981), and the correlation in the worst blob. A set that is not significant,
    but has a smaller mean error, gets a little trust.
    """
    if not candidate.visible.any():
        return 0.0
    scale = abs(held_out.truth - fill.ground).mean(axis=1, keepdims=True) + np.float32(1e-4)
    predicted, true = (np.clip((g - fill.ground) / scale, -_GROSS, _GROSS) for g in (candidate.ground, held_out.truth))
    predicted = predicted * candidate.visible
    products = [(a * b).sum(axis=0) for a, b in ((predicted, true), (predicted, predicted), (true, true))]
    fold = np.repeat(np.arange(len(held_out.samples)), [len(s) for s in held_out.samples])
    lower, worst = _lower_bound(products, held_out.group), _correlation(_sums(products, fold)).min()
    sure = _rise(lower, *_LOWER_BOUND) * _rise(float(worst), *_WORST_BLOB)
    gain = 1 - float(candidate.error[candidate.visible].mean() / fill.error[candidate.visible].mean())
    return max(sure, _HINT * _rise(gain, 0, _GAIN))


def nearness(distance: Float32, fill_distance: Float32) -> Float32:
    """How far a set is used, by the distances to ground that it and that the fill knows, both as of `Fit.distance`.

    A set that shows little of the clear ground has its residual from far away, where the fill knows ground close by;
    blobs, next to what it shows, do not tell. 1 up to one unit more than the fill, 0 from half as much again on.
    """
    own, other = np.expm1(distance), np.expm1(fill_distance) + np.float32(1)
    share: Float32 = np.clip(3 - 2 * own / other, 0, 1)
    return share


def _lower_bound(products: Sequence[Float32], group: NDArray[np.intp]) -> float:
    sums = _sums(products, group)
    without = _correlation(sums.sum(axis=1, keepdims=True) - sums)
    error = np.sqrt((len(without) - 1) * without.var())
    return float(_correlation(sums.sum(axis=1)) - _STANDARD_ERRORS * error)


def _sums(products: Sequence[Float32], group: NDArray[np.intp]) -> Float64:
    """(3, G) of products (n,), of each group that holds any."""
    _, number = np.unique(group, return_inverse=True)
    sums: Float64 = np.stack([np.bincount(number, p.astype(np.float64)) for p in products])
    return sums


def _correlation(sums: Float64) -> Float64:
    """Of sums (3, ...) of products and of squares; 0 where there is nothing."""
    product, one, other = sums
    correlation: Float64 = product / np.sqrt(np.maximum(one * other, _NOTHING))
    return correlation


def _rise(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)


def order_of_trust(good: list[Candidate], fill: Candidate, held_out: HeldOutSamples) -> list[Candidate]:
    """Sets of most references first, as regression on all of them is the default; but one that is clearly better."""
    order = sorted(good, key=lambda t: (-len(t.fit.references), ratio_to_fill(t, fill)))
    for candidate in order[1:].copy():
        both = candidate.visible & order[0].visible
        if clearly_less(candidate.error[both], order[0].error[both], held_out.group[both]):
            order.remove(candidate)
            order.insert(0, candidate)
    return order


def preselect(statistics: Statistics, held_out: HeldOutSamples, usable: Sequence[int]) -> list[int]:
    """At most `MOST_REFERENCES`: those that show most covered cells, predict best by one plain fit, are nearest."""
    if len(usable) <= MOST_REFERENCES:
        return list(usable)
    covered = statistics.covered > 0

    def key(k: int) -> tuple[float, float, float, int]:
        share = float(statistics.visible[k][covered].mean()) if covered.any() else 1.0
        days = statistics.layout.references[k].days
        return -round(4 * share) / 4, _plain_error(statistics, held_out, k), abs(days) if days is not None else 1e9, k

    return sorted(sorted(usable, key=key)[:MOST_REFERENCES])


def _plain_error(statistics: Statistics, held_out: HeldOutSamples, k: int) -> float:
    """Error of a regression in the first blob, in those of the mean, to two digits."""
    fit = Fit(statistics, (k,))
    samples = held_out.samples[0][statistics.sample_visible[held_out.samples[0], k]]
    if len(fit.usable) < LEAST_SAMPLES + 2 * len(fit.columns) or not len(samples):
        return np.inf
    truth = statistics.samples[samples][:, : len(statistics.layout.bands)]
    made = fit.at(samples, fit.coefficients(held_out.folds[0], local=False))
    mean = abs(truth - fit.y.mean(axis=0)).mean()
    return round(float(abs(made - truth).mean() / max(mean, 1e-6)), 2)


def sets_together(statistics: Statistics, best: Sequence[int]) -> list[tuple[int, ...]]:
    """Sets of several references, of the first `MOST_TOGETHER`, that together show covered cells: the largest first."""
    covered = statistics.covered > 0
    best = best[:MOST_TOGETHER]
    code = np.zeros(int(covered.sum()), np.int64)
    for i, k in enumerate(best):
        code |= (statistics.visible[k][covered] > 0.5).astype(np.int64) << i
    counts: dict[tuple[int, ...], int] = {}
    for value, count in zip(*np.unique(code, return_counts=True), strict=True):
        together = tuple(sorted(k for i, k in enumerate(best) if value >> i & 1))
        if len(together) > 1 and count > 0.005 * covered.sum():
            counts[together] = int(count)
    return sorted(counts, key=lambda s: (-counts[s], s))
