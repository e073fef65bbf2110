"""Ground under cloud from other dates of the place: fitted in the scene, judged in the scene.

For each set of references that shows covered ground, `ridge_fit.Fit` predicts the scene's bands; the empty set is the
fill from the scene alone. Cross-validation on blobs of clear cells gives which references help, the error to expect of
each prediction and of their mixture, and how to mix them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unclouded.references.cross_validation import (
    LEAST_SAMPLES,
    Candidate,
    HeldOutSamples,
    cross_validate,
    nearness,
    order_of_trust,
    preselect,
    ratio_to_fill,
    sets_together,
    trust,
)
from unclouded.references.expected_error import ExpectedError
from unclouded.references.local_ridge import predict_square
from unclouded.references.mixture import Judgement, shares, weigh
from unclouded.references.ridge_fit import finest_lattice
from unclouded.references.snow import BrightnessLimit, brightness_limits, without_bright
from unclouded.references.squares import SIDE, Ground, Square, fading, squares
from unclouded.references.statistics import Layout, Statistics

Float32 = NDArray[np.float32]
Float16 = NDArray[np.float16]
Mask = NDArray[np.bool_]

MOST_PREDICTORS = 10


@dataclass(frozen=True)
class Predictor:
    """A fitted prediction from one set of references.

    Attributes:
        references: which; empty for the fill from the scene alone.
        columns: their bands among all channels.
        coefficients: (rows, columns, 1 + P, C) at the nodes of the lattice, one node if they are the same everywhere.
        residual: (C, h, w) on the grid of cells.
        maps: (3, h, w) on it: log of the error to expect, share of each cell that the references show, and how far it
            takes the place of the fill, 0 to 1, see `cross_validation.trust` and `cross_validation.nearness`.
    """

    references: tuple[int, ...]
    columns: list[int]
    coefficients: Float32
    residual: Float16
    maps: Float16


@dataclass(frozen=True)
class Transfer:
    """The fitted scene: everything that pass 2 needs besides the references' own pixels.

    Attributes:
        layout: of the scene.
        predictors: the fill from the scene alone, then those from sets of references, the most trusted first.
        judgement: how they are mixed.
        limits: (2, C) that no prediction passes: a relation far outside of what it was fitted to means nothing.
        brightest: of each reference, see `snow`.
    """

    layout: Layout
    predictors: list[Predictor]
    judgement: Judgement
    limits: Float32
    brightest: list[BrightnessLimit | None]

    @property
    def needed(self) -> list[int]:
        """The references that any prediction is made from."""
        return sorted({k for predictor in self.predictors for k in predictor.references})

    @property
    def interval(self) -> float:
        """See `squares.Prediction`."""
        return self.judgement.interval

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
        for square, take in squares(row, column, wanted):
            out.put(square, take, *self._predict_square(square, references, references_clear, take))
        return out

    def _predict_square(
        self,
        square: Square,
        references: Sequence[Float32 | None],
        references_clear: Sequence[Mask | None],
        take: Mask,
    ) -> tuple[Float32, Float32, NDArray[np.int16], Float32]:
        """Reflectance, error, source and share that references have, as of `Ground`."""
        shape, cell, bands = (SIDE, SIDE), self.layout.cell, len(self.layout.bands)
        pixels, visible = square.shown(self.layout, self.needed, references, references_clear)
        for k in self.needed:
            limit = self.brightest[k]
            if limit is not None:
                visible[k] *= limit.ground(pixels[self.layout.channels(k)])
        weight = np.ones((len(self.predictors), *shape), np.float32)
        logarithm = np.empty_like(weight)
        for m, predictor in enumerate(self.predictors):
            maps = square.enlarge(predictor.maps if predictor.references else predictor.maps[:1], cell)
            logarithm[m] = maps[0]
            if predictor.references:
                weight[m] = fading(maps[1]) * visible[list(predictor.references)].min(axis=0) * maps[2]
        judgement = self.judgement
        share = shares(logarithm, weight, judgement.power)
        lattice = finest_lattice(self.layout.height, self.layout.width)
        ground = np.zeros((len(self.predictors), bands, *shape), np.float32)
        ground[0] = square.enlarge(self.predictors[0].residual, cell)
        ground[0] += self.predictors[0].coefficients[0, 0, 0][:, None, None]
        for made, predictor, shown in zip(ground[1:], self.predictors[1:], weight[1:], strict=True):
            if shown[square.inside][take].any():
                made += predict_square(
                    lattice, square.top, square.left, 1, pixels[predictor.columns], predictor.coefficients
                )
                made += square.enlarge(predictor.residual, cell)
                np.clip(made, *self.limits[:, :, None, None], out=made)
        mixed = weigh(ground, share)
        features = judgement.error_features(
            ground.reshape(len(self.predictors), bands, -1),
            logarithm.reshape(len(self.predictors), -1),
            weight.reshape(len(self.predictors), -1),
            share.reshape(len(self.predictors), -1),
            mixed.reshape(bands, -1),
            pixels[self.predictors[1].columns].reshape(-1, SIDE**2) if len(self.predictors) > 1 else None,
        )
        error = judgement.mixture(features).reshape(shape)
        owner = np.array([self._owner(predictor) for predictor in self.predictors], np.int16)
        return mixed, error, owner[share.argmax(axis=0)], 1 - share[0]

    def _owner(self, predictor: Predictor) -> int:
        """The reference that a predictor's ground is said to be from: of several the one nearest in time."""
        if not predictor.references:
            return -1
        days = [self.layout.references[k].days for k in predictor.references]
        return min(
            zip(predictor.references, days, strict=True), key=lambda p: (abs(p[1]) if p[1] is not None else 1e9, p[0])
        )[0]


def fit(statistics: Statistics, usable: Sequence[int]) -> Transfer:
    """Fit everything; `usable` are the references that `verdicts` accepts.

    Raises:
        ValueError: if the scene shows too little ground to learn from.
    """
    if len(statistics.samples) < LEAST_SAMPLES:
        raise ValueError(f"{len(statistics.samples)} clear pixels sampled in the scene; {LEAST_SAMPLES} are needed")
    brightest = brightness_limits(statistics)
    statistics = without_bright(statistics, brightest)
    held_out = HeldOutSamples.draw(statistics)
    fill = cross_validate(statistics, held_out, ())
    assert fill is not None
    tried: dict[tuple[int, ...], Candidate] = {}

    def add(references: tuple[int, ...]) -> None:
        made = cross_validate(statistics, held_out, references) if references not in tried else None
        if made is not None:
            tried[references] = made

    for k in preselect(statistics, held_out, usable):
        add((k,))
    alone = sorted((k for (k,) in tried), key=lambda k: ratio_to_fill(tried[k,], fill))
    good = [k for k in alone if trust(tried[k,], fill, held_out)]
    for some in (alone, good) if good else ():
        for together in sets_together(statistics, some)[: (MOST_PREDICTORS - 1 - len(alone)) // 2]:
            add(together)
    trusted = {references: trust(candidate, fill, held_out) for references, candidate in tried.items()}
    order = order_of_trust([t for references, t in tried.items() if trusted[references]], fill, held_out)
    chosen = [fill, *order]
    weights = [1.0, *(trusted[t.fit.references] for t in order)]
    near = [nearness(t.field[0], fill.field[0]) * np.float32(w) for t, w in zip(chosen, weights, strict=True)]
    judgement = Judgement.fit(
        np.stack([t.ground for t in chosen]),
        [t.field for t in chosen],
        np.stack([t.visible * n for t, n in zip(chosen, near, strict=True)]),
        held_out.truth,
        held_out.group,
        held_out.channels[order[0].fit.columns] if order else None,
    )
    distance = fill.fit.distance(None)
    predictors = [_finish(*each, distance) for each in zip(chosen, judgement.alone, weights, strict=True)]
    return Transfer(statistics.layout, predictors, judgement, statistics.limits, brightest)


def _finish(candidate: Candidate, error: ExpectedError, trusted: float, fill_distance: Float32) -> Predictor:
    fit, statistics = candidate.fit, candidate.fit.statistics
    coefficients = fit.coefficients(None, candidate.local)
    fields = fit.fields(coefficients, None)
    logarithm = np.log(error(fields[-2:].reshape(2, -1))).reshape(fields.shape[1:])
    visible = statistics.visible[list(fit.references)].min(axis=0, initial=1)
    trust = trusted * nearness(fields[-2], fill_distance)
    return Predictor(
        fit.references,
        fit.columns,
        coefficients,
        fields[:-2].astype(np.float16),
        np.stack([logarithm, visible, trust]).astype(np.float16),
    )
