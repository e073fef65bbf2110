"""Ground under cloud from other dates of the place: fitted in the scene, judged in the scene.

For each set of references that shows covered ground, `model.Fit` predicts the scene's bands; the empty set is the fill
from the scene alone. Blobs of clear cells, left out, say which ridge and how local, what error to expect of each
prediction, how to mix them, and what error to expect of the mixture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unclouded.references.expected_error import ExpectedError
from unclouded.references.holdout import blobs
from unclouded.references.local_ridge import predict
from unclouded.references.model import Choice, Fit, at_positions
from unclouded.references.statistics import SceneStatistics

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

FOLDS = 6
CHOOSING_FOLDS = 3
RIDGES = (1e-5, 1e-3, 1e-2, 1e-1)
PRIORS = (2_000.0, 16_000.0)
POWERS = (1.0, 2.0, 4.0, 8.0, 16.0)
MOST_MODELS = 10
MOST_TOGETHER = 4
LEAST_SAMPLES = 50
FOLD_SAMPLE = 6_000
FLOOR = np.float32(1e-4)


@dataclass(frozen=True)
class Model:
    """A fitted prediction from one set of references.

    Attributes:
        references: which; empty for the fill from the scene alone.
        columns: their bands among all channels.
        centre, deviation: (P,) that standardise those.
        coefficients: (rows, columns, 1 + P, C) at the nodes.
        whitening: (1 + P, P) that makes the predictors uncorrelated, for the leverage.
        fields: (C + 2, h, w) on the grid of cells, see `Fit.fields`.
        expected: error to expect.
        choice: what the blobs chose.
    """

    references: tuple[int, ...]
    columns: list[int]
    centre: Float32
    deviation: Float32
    coefficients: Float32
    whitening: Float32
    fields: Float32
    expected: ExpectedError
    choice: Choice


@dataclass(frozen=True)
class Transfer:
    """What pass 2 needs, of the whole scene."""

    statistics_layout: object
    models: list[Model]
    power: float
    mixture: ExpectedError
    interval: float
    skill: dict[tuple[int, ...], float]


@dataclass(frozen=True)
class _Trial:
    """Predictions for the samples of one fold that were left out."""

    ground: Float32
    field: Float32
    x: Float32
    seen: Mask


def whiten(x: Float32) -> Float64:
    """(1 + P, P) so that x @ it has uncorrelated columns of variance 1 / P: the squares sum to 1 on average."""
    predictors = x[:, 1:].astype(np.float64)
    count = predictors.shape[1]
    if count == 0:
        return np.zeros((1, 0))
    mean = predictors.mean(axis=0)
    values, vectors = np.linalg.eigh(np.cov(predictors.T).reshape(count, count))
    root = vectors / np.sqrt(np.maximum(values, values.max() * 1e-4) * count)
    return np.concatenate([-(mean @ root)[None], root])


def features(x: Float32, whitening: Float32, fields: Float32) -> Float32:
    """(n, 3 + P) what the error of a prediction is told from: distance, size of the residual, leverage, spectrum."""
    leverage = np.log(np.square(x @ whitening).sum(axis=1, keepdims=True) + np.float32(0.05))
    return np.concatenate([fields, leverage, x[:, 1:]], axis=1)


def mixture_features(ground: Float32, expected: Float32, share: Float32) -> tuple[Float32, Float32]:
    """The mixture (n, C) of predictions (M, n, C), and what its error is told from (n, 3).

    Args:
        ground: predictions; the first is the fill from the scene alone.
        expected: (M, n) errors.
        share: (M, n), summing to 1.
    """
    mixed = (ground * share[..., None]).sum(axis=0)
    apart = (abs(ground - mixed).mean(axis=2) * share).sum(axis=0)
    filled = abs(ground[0] - mixed).mean(axis=1)
    logs = [np.log(np.maximum(v, FLOOR)) for v in (np.exp((np.log(expected) * share).sum(axis=0)), apart, filled)]
    return mixed, np.stack(logs, axis=1)


def shares(expected: Float32, usable: Float32, power: float) -> Float32:
    """(M, n) shares that go with the inverse expected error to a power; `usable` (M, n) is 0 where there is none."""
    weight = usable * (expected.min(axis=0) / expected) ** np.float32(power)
    return weight / weight.sum(axis=0)


def choose_models(statistics: SceneStatistics, usable: Sequence[int], skill: dict[int, float]) -> list[tuple[int, ...]]:
    """Sets of several references that together see covered cells, those that see the most first."""
    covered = statistics.covered > 0
    best = sorted(usable, key=lambda k: skill[k])[:MOST_TOGETHER]
    seen = statistics.seen[:, covered] > 0.5
    counts: dict[tuple[int, ...], int] = {}
    code = sum((seen[k].astype(np.int64) << i for i, k in enumerate(best)), np.zeros(int(covered.sum()), np.int64))
    for value, count in zip(*np.unique(code, return_counts=True), strict=True):
        together = tuple(k for i, k in enumerate(best) if value >> i & 1)
        if len(together) > 1 and count > 0.005 * covered.sum():
            counts[together] = int(count)
    return sorted(counts, key=lambda s: (-counts[s], s))


def fit(statistics: SceneStatistics, usable: Sequence[int]) -> Transfer:
    """Fit everything; `usable` are the references that `verdicts` accepts."""
    layout = statistics.layout
    clear = statistics.clear > 0
    folds = list(blobs(clear, statistics.covered > 0.5, FOLDS))
    position = [_fold_samples(statistics, held) for held in folds]
    fits: list[Fit] = []
    choices: list[Choice] = []
    trials: list[list[_Trial]] = []
    single: dict[int, float] = {}
    skill: dict[tuple[int, ...], float] = {}

    def add(references: tuple[int, ...]) -> None:
        candidate = Fit(statistics, references)
        if len(candidate.usable) < LEAST_SAMPLES + 2 * candidate.x.shape[1]:
            return
        choice = _choose(candidate, folds, position)
        made = [_try(candidate, choice, held, samples) for held, samples in zip(folds, position, strict=True)]
        fits.append(candidate)
        choices.append(choice)
        trials.append(made)
        skill[references] = _loss(statistics, made, position)

    add(())
    for k in usable:
        add((k,))
        single[k] = skill.get((k,), np.inf)
    for together in choose_models(statistics, usable, single)[: MOST_MODELS - len(fits)]:
        add(together)

    truth = np.concatenate([statistics.samples[p][:, : len(layout.bands)] for p in position])
    grounds, expectations, seens, models = [], [], [], []
    for candidate, choice, made in zip(fits, choices, trials, strict=True):
        ground, field, x, seen = (np.concatenate([getattr(t, n) for t in made]) for n in ("ground", "field", "x", "seen"))
        whitening = whiten(candidate.x).astype(np.float32)
        table = features(x, whitening, field)
        error = abs(ground - truth).mean(axis=1)
        expected = ExpectedError.fit(table[seen], error[seen])
        coefficients = candidate.coefficients(candidate.sums, choice)
        models.append(
            Model(
                candidate.references,
                candidate.columns,
                candidate.centre,
                candidate.deviation,
                coefficients.astype(np.float32),
                whitening,
                candidate.fields(coefficients, None),
                expected,
                choice,
            )
        )
        grounds.append(ground)
        expectations.append(expected(table))
        seens.append(seen)
    ground, expected, seen = np.stack(grounds), np.stack(expectations), np.stack(seens).astype(np.float32)
    losses = []
    for power in POWERS:
        mixed, _ = mixture_features(ground, expected, shares(expected, seen, power))
        losses.append(abs(mixed - truth).mean())
    power = POWERS[int(np.argmin(losses))]
    mixed, table = mixture_features(ground, expected, shares(expected, seen, power))
    error = abs(mixed - truth)
    mixture = ExpectedError.fit(table, error.mean(axis=1))
    interval = float(np.quantile(error / mixture(table)[:, None], 0.9))
    return Transfer(layout, models, power, mixture, interval, skill)


def _fold_samples(statistics: SceneStatistics, held: Mask) -> NDArray[np.intp]:
    cell = statistics.layout.cell
    row, column = (statistics.position // cell).T
    inside = np.flatnonzero(held[row, column])
    return inside[:: max(1, len(inside) // FOLD_SAMPLE)]


def _try(candidate: Fit, choice: Choice, held: Mask, samples: NDArray[np.intp]) -> _Trial:
    statistics = candidate.statistics
    coefficients = candidate.coefficients(candidate.held_sums(held), choice)
    fields = candidate.fields(coefficients, held)
    position = statistics.position[samples]
    x = candidate.design(statistics.samples[samples][:, candidate.columns])
    seen = statistics.sample_seen[samples][:, list(candidate.references)].all(axis=1)
    here = at_positions(fields, position, statistics.layout.cell)
    bands = len(statistics.layout.bands)
    ground = predict(candidate.lattice, position, x, coefficients) + here[:, :bands]
    return _Trial(ground, here[:, bands:], x, seen)


def _loss(statistics: SceneStatistics, trials: list[_Trial], position: list[NDArray[np.intp]]) -> float:
    """Mean absolute error of what was left out and seen."""
    bands = len(statistics.layout.bands)
    errors = [
        abs(t.ground - statistics.samples[p][:, :bands]).mean(axis=1)[t.seen]
        for t, p in zip(trials, position, strict=False)
    ]
    together = np.concatenate(errors)
    return float(together.mean()) if len(together) else np.inf


def _choose(candidate: Fit, folds: list[Mask], position: list[NDArray[np.intp]]) -> Choice:
    """The ridge, then how local, that predict what was left out best."""

    def loss(choice: Choice) -> float:
        pairs = list(zip(folds, position, strict=True))[:CHOOSING_FOLDS]
        return _loss(candidate.statistics, [_try(candidate, choice, h, p) for h, p in pairs], position)

    if not candidate.references:
        return Choice(RIDGES[0], 0.0, 0)
    tried = {c: loss(c) for c in (Choice(ridge, 0.0, 0) for ridge in RIDGES)}
    ridge = min(tried, key=lambda c: tried[c]).ridge
    tried.update({c: loss(c) for c in (Choice(ridge, prior, 99) for prior in PRIORS)})
    return min(tried, key=lambda c: tried[c])
