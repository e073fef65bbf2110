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
"""Correlations, less their standard errors, at which a set begins to count and counts fully."""
_WORST_BLOB = (0.15, 0.25)
"""The same of the blob in which it is least."""
_HINT, _GAIN = 0.15, 0.1
"""What a set counts that is not sure to help, but was better than the fill by a tenth."""
_NOTHING = 1e-12
_GROSS = 6.0
"""Departures from the fill count up to so many of its mean errors."""


@dataclass(frozen=True)
class HeldOutSamples:
    """Blobs of clear cells, the folds of the cross-validation, and the samples in them.

    Attributes:
        folds: (h, w) cells of each.
        samples: numbers of the samples in each.
        channels: (channels, n) of all those samples, one fold after the other.
        bands: of the scene, the first channels.
        seen: (K, n) which references show them.
        group: (n,) number of the fold and part of the scene of each, as of `clearly_less`.
    """

    folds: list[Mask]
    samples: list[NDArray[np.intp]]
    channels: Float32
    bands: int
    seen: Mask
    group: NDArray[np.intp]

    @classmethod
    def draw(cls, statistics: Statistics) -> HeldOutSamples:
        """Draw blobs like the clouds that are there."""
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
            folds, samples, channels, len(layout.bands), statistics.sample_seen[every].T.copy(), group.astype(np.intp)
        )

    @property
    def truth(self) -> Float32:
        """(C, n) what the scene shows of them."""
        return self.channels[: self.bands]


@dataclass(frozen=True)
class Candidate:
    """What one set of references says of the left out samples.

    Attributes:
        fit: of the set.
        local: whether its coefficients vary over the scene.
        ground: (C, n) predictions.
        field: (2, n) logs of the distance and of the size of the residual, see `Fit.fields`.
        seen: (n,) where all of the set show the sample.
        error: (n,) mean over the bands.
    """

    fit: Fit
    local: bool
    ground: Float32
    field: Float32
    seen: Mask
    error: Float32


def cross_validate(statistics: Statistics, held_out: HeldOutSamples, references: tuple[int, ...]) -> Candidate | None:
    """Cross-validate a set of references: one regression for the scene, or a local one if clearly better; None if few.

    The plain choice is the default, so that a scene with few clear pixels, whose blobs say little, is left with it.
    """
    fit = Fit(statistics, references)
    if len(fit.usable) < LEAST_SAMPLES + 2 * len(fit.columns):
        return None
    plain = _predict_folds(fit, held_out, local=False)
    if references and max(fit.lattice.shape) > 2:
        local = _predict_folds(fit, held_out, local=True)
        if clearly_less(local.error[plain.seen], plain.error[plain.seen], held_out.group[plain.seen]):
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
    seen: Mask = np.asarray(held_out.seen[list(fit.references)].all(axis=0))
    return Candidate(
        fit, local, ground, np.concatenate(fields, axis=1), seen, abs(ground - held_out.truth).mean(axis=0)
    )


def ratio_to_fill(candidate: Candidate, fill: Candidate) -> float:
    """Mean ratio of errors, those of the set to those of the fill from the scene alone; geometric, for gross errors."""
    if not candidate.seen.any():
        return np.inf
    mine, other = (np.log(t.error[candidate.seen] + np.float32(1e-3)) for t in (candidate, fill))
    return float(np.exp((mine - other).mean()))


def trust(candidate: Candidate, fill: Candidate, held_out: HeldOutSamples) -> float:
    """How far a set takes the place of the fill from the scene alone, 0 to 1; 0 if it does not help.

    What tells is the correlation, over all that was left out, of the departures from the fill that the set says with
    those that are true; of what it does not show it says none. A useless set's is chance, which is large only where few
    neighbourhoods make it, or some blobs alone: so its lower bound counts, two standard errors below (jackknife over
    neighbourhoods, Efron and Stein 1981), and that of the worst blob. A set that is not sure, but was better in the
    mean, counts a little.
    """
    if not candidate.seen.any():
        return 0.0
    scale = abs(held_out.truth - fill.ground).mean(axis=1, keepdims=True) + np.float32(1e-4)
    said, true = (np.clip((g - fill.ground) / scale, -_GROSS, _GROSS) for g in (candidate.ground, held_out.truth))
    said = said * candidate.seen
    products = [(a * b).sum(axis=0) for a, b in ((said, true), (said, said), (true, true))]
    fold = np.repeat(np.arange(len(held_out.samples)), [len(s) for s in held_out.samples])
    lower, worst = _lower_bound(products, held_out.group), _correlation(_sums(products, fold)).min()
    sure = _rise(lower, *_LOWER_BOUND) * _rise(float(worst), *_WORST_BLOB)
    gain = 1 - float(candidate.error[candidate.seen].mean() / fill.error[candidate.seen].mean())
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
        both = candidate.seen & order[0].seen
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
        share = float(statistics.seen[k][covered].mean()) if covered.any() else 1.0
        days = statistics.layout.references[k].days
        return -round(4 * share) / 4, _plain_error(statistics, held_out, k), abs(days) if days is not None else 1e9, k

    return sorted(sorted(usable, key=key)[:MOST_REFERENCES])


def _plain_error(statistics: Statistics, held_out: HeldOutSamples, k: int) -> float:
    """Error of a regression in the first blob, in those of the mean, to two digits."""
    fit = Fit(statistics, (k,))
    samples = held_out.samples[0][statistics.sample_seen[held_out.samples[0], k]]
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
        code |= (statistics.seen[k][covered] > 0.5).astype(np.int64) << i
    counts: dict[tuple[int, ...], int] = {}
    for value, count in zip(*np.unique(code, return_counts=True), strict=True):
        together = tuple(sorted(k for i, k in enumerate(best) if value >> i & 1))
        if len(together) > 1 and count > 0.005 * covered.sum():
            counts[together] = int(count)
    return sorted(counts, key=lambda s: (-counts[s], s))
