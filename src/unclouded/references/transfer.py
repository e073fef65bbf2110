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

from unclouded.references.holdout import blobs
from unclouded.references.local_ridge import predict, predict_square
from unclouded.references.mixture import Judgement, features, whiten
from unclouded.references.model import Choice, Fit, at_positions, finest_lattice
from unclouded.references.statistics import Layout, SceneStatistics

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
Mask = NDArray[np.bool_]

FOLDS = 6
CHOOSING_FOLDS = 3
RIDGES = (1e-5, 1e-3, 1e-2, 1e-1)
PRIORS = (2_000.0, 16_000.0)
MOST_MODELS = 10
MOST_TOGETHER = 4
LEAST_SAMPLES = 50
FOLD_SAMPLE = 6_000
CHUNK = 64
"""Pixels on a side of the squares in which pixels are predicted; they lie on the scene's grid, not the window's."""


@dataclass(frozen=True)
class Model:
    """A fitted prediction from one set of references.

    Attributes:
        references: which; empty for the fill from the scene alone.
        columns: their bands among all channels.
        centre, deviation: (P,) that standardise those.
        coefficients: (rows, columns, 1 + P, C) at the nodes of the lattice.
        whitening: (1 + P, P) that makes the predictors uncorrelated, for the leverage.
        fields: (C + 2, h, w) on the grid of cells, see `Fit.fields`.
        choice: what the blobs chose.
        loss: mean absolute error of the blobs.
    """

    references: tuple[int, ...]
    columns: list[int]
    centre: Float32
    deviation: Float32
    coefficients: Float32
    whitening: Float32
    fields: Float32
    choice: Choice
    loss: float


@dataclass(frozen=True)
class Ground:
    """Predicted ground of a window.

    Attributes:
        reflectance: (C, h, w); 0 where none was asked for.
        error: (h, w) the mean absolute error over the bands that is to be expected.
        source: (h, w) -1 where none was asked for or the fill from the scene alone weighs most, else the reference.
        transferred: (h, w) the share that references have in it, 0 to 1.
    """

    reflectance: Float32
    error: Float32
    source: NDArray[np.int16]
    transferred: Float32


@dataclass(frozen=True)
class Transfer:
    """The fitted scene: everything that pass 2 needs besides the references' own pixels.

    Attributes:
        layout: of the scene.
        models: the fill from the scene alone, then those from sets of references.
        judgement: how they are mixed.
        seen: (M, h, w) share of each cell that each model's references show.
    """

    layout: Layout
    models: list[Model]
    judgement: Judgement
    seen: Float32

    @property
    def interval(self) -> float:
        """Half the width of the 90 % interval of a band of a pixel, as a multiple of `Ground.error`."""
        return self.judgement.interval

    def predict(
        self,
        row: int,
        column: int,
        references: Sequence[Float32],
        references_clear: Sequence[Mask],
        wanted: Mask,
    ) -> Ground:
        """Predict the pixels of a window that are wanted; each is the same however windows are cut.

        Args:
            row: of the window's first pixel.
            column: of the window's first pixel.
            references: reflectance (C_k, h, w) of each, as in the first pass.
            references_clear: (h, w) of each.
            wanted: (h, w) pixels to predict.
        """
        bands, (height, width) = len(self.layout.bands), wanted.shape
        out = Ground(
            np.zeros((bands, height, width), np.float32),
            np.zeros((height, width), np.float32),
            np.full((height, width), -1, np.int16),
            np.zeros((height, width), np.float32),
        )
        for top in range(row - row % CHUNK, row + height, CHUNK):
            for left in range(column - column % CHUNK, column + width, CHUNK):
                rows = slice(max(top - row, 0), min(top + CHUNK - row, height))
                columns = slice(max(left - column, 0), min(left + CHUNK - column, width))
                if wanted[rows, columns].any():
                    self._predict_chunk(
                        top, left, row, column, (rows, columns), references, references_clear, wanted, out
                    )
        return out

    def _predict_chunk(
        self,
        top: int,
        left: int,
        row: int,
        column: int,
        part: tuple[slice, slice],
        references: Sequence[Float32],
        references_clear: Sequence[Mask],
        wanted: Mask,
        out: Ground,
    ) -> None:
        """One square of `CHUNK` pixels, always computed whole and with the same shapes, so that sums round alike."""
        rows, columns = part
        inside = np.s_[
            rows.start + row - top : rows.stop + row - top, columns.start + column - left : columns.stop + column - left
        ]
        count, bands = CHUNK * CHUNK, len(self.layout.bands)
        pixels = np.zeros((self.layout.channel_count, CHUNK, CHUNK), np.float32)
        clear = np.zeros((len(references), CHUNK, CHUNK), np.bool_)
        for k, (image, shown) in enumerate(zip(references, references_clear, strict=True)):
            there = shown[rows, columns] & np.isfinite(image[:, rows, columns]).all(axis=0)
            clear[(k, *inside)] = there
            pixels[(self.layout.channels(k), *inside)] = np.where(there, image[:, rows, columns], np.float32(0))
        flat = pixels.reshape(len(pixels), count)
        visible = clear.reshape(len(clear), count)
        lattice = finest_lattice(self.layout.height, self.layout.width)
        ground = np.zeros((len(self.models), count, bands), np.float32)
        seen = np.zeros((len(self.models), count), np.float32)
        tables = []
        for m, model in enumerate(self.models):
            fields = _enlarge(model.fields, top, left, self.layout.cell)
            x = np.concatenate(
                [np.ones((count, 1), np.float32), (flat[model.columns].T - model.centre) / model.deviation], axis=1
            )
            ground[m] = predict_square(lattice, top, left, CHUNK, x, model.coefficients) + fields[:, :bands]
            tables.append(features(x, model.whitening, fields[:, bands:]))
            share = _enlarge(self.seen[m : m + 1], top, left, self.layout.cell)[:, 0]
            # The share fades towards the rim of what references show, so that no border of theirs is seen.
            fade = np.clip(2 * share - 1, np.float32(0.02), 1)
            seen[m] = fade * visible[list(model.references)].all(axis=0)
        mixed, error, share = self.judgement(ground, tables, seen)
        take = wanted[rows, columns]
        square = (CHUNK, CHUNK)
        best = share.argmax(axis=0)
        owner = np.array([self._owner(model) for model in self.models], np.int16)
        for target, values in (
            (out.reflectance, mixed.T.reshape(bands, *square)),
            (out.error, error.reshape(square)),
            (out.source, owner[best].reshape(square)),
            (out.transferred, 1 - share[0].reshape(square)),
        ):
            target[..., rows, columns] = np.where(take, values[(..., *inside)], target[..., rows, columns])

    def _owner(self, model: Model) -> int:
        """The reference that a model's ground is said to be from: of several the one nearest in time."""
        if not model.references:
            return -1
        days = [self.layout.references[k].days for k in model.references]
        return min(
            zip(model.references, days, strict=True), key=lambda p: (abs(p[1]) if p[1] is not None else 1e9, p[0])
        )[0]


def _enlarge(fields: Float32, top: int, left: int, cell: int) -> Float32:
    """Fields (F, h, w) on the grid of cells at the pixels (CHUNK * CHUNK, F) of a square, bilinear."""
    size = CHUNK // cell + 2
    answer = fields
    for axis, start in ((1, top), (2, left)):
        index = np.clip(np.arange(size) + start // cell - 1, 0, fields.shape[axis] - 1)
        answer = answer.take(index, axis)
    where = (np.arange(CHUNK) + 0.5) / cell + 0.5
    weight = np.maximum(0, 1 - abs(where[:, None] - np.arange(size))).astype(np.float32)
    enlarged: Float32 = (weight @ answer.astype(np.float32) @ weight.T).reshape(len(fields), -1).T
    return enlarged


@dataclass(frozen=True)
class _Trial:
    """Predictions for the samples of one fold that were left out."""

    ground: Float32
    field: Float32
    x: Float32
    seen: Mask


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
        made = [_try(candidate, choice, i, h, p) for i, (h, p) in enumerate(zip(folds, position, strict=True))]
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
    grounds, tables, seens, models = [], [], [], []
    for candidate, choice, made in zip(fits, choices, trials, strict=True):
        ground, field, x, seen = (
            np.concatenate([getattr(t, n) for t in made]) for n in ("ground", "field", "x", "seen")
        )
        whitening = whiten(candidate.x).astype(np.float32)
        coefficients = candidate.coefficients(candidate.sums, choice)
        models.append(
            Model(
                candidate.references,
                candidate.columns,
                candidate.centre,
                candidate.deviation,
                coefficients.astype(np.float32),
                whitening,
                candidate.fields(coefficients, None).astype(np.float16),
                choice,
                skill[candidate.references],
            )
        )
        grounds.append(ground)
        tables.append(features(x, whitening, field))
        seens.append(seen)
    judgement = Judgement.fit(np.stack(grounds), tables, np.stack(seens).astype(np.float32), truth)
    shown = [statistics.seen[list(m.references)].min(axis=0, initial=1) for m in models]
    return Transfer(layout, models, judgement, np.stack(shown).astype(np.float16))


def _fold_samples(statistics: SceneStatistics, held: Mask) -> NDArray[np.intp]:
    cell = statistics.layout.cell
    row, column = (statistics.position // cell).T
    inside = np.flatnonzero(held[row, column])
    return inside[:: max(1, len(inside) // FOLD_SAMPLE)]


def _try(candidate: Fit, choice: Choice, number: int, held: Mask, samples: NDArray[np.intp]) -> _Trial:
    statistics = candidate.statistics
    coefficients = candidate.coefficients(candidate.held_sums(number, held), choice)
    fields = candidate.fields(coefficients, held)
    position = statistics.position[samples]
    x = candidate.design(statistics.samples[samples][:, candidate.columns])
    seen: Mask = np.asarray(statistics.sample_seen[samples][:, list(candidate.references)].all(axis=1))
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
        return _loss(
            candidate.statistics, [_try(candidate, choice, i, h, p) for i, (h, p) in enumerate(pairs)], position
        )

    if not candidate.references:
        return Choice(RIDGES[0], 0.0, 0)
    tried = {c: loss(c) for c in (Choice(ridge, 0.0, 0) for ridge in RIDGES)}
    ridge = min(tried, key=lambda c: tried[c]).ridge
    tried.update({c: loss(c) for c in (Choice(ridge, prior, 99) for prior in PRIORS)})
    return min(tried, key=lambda c: tried[c])
