"""Mixing predictions of the same ground by the error to expect of each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unclouded.references.expected_error import ExpectedError

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

POWERS = (1.0, 2.0, 4.0, 8.0, 16.0)
_LEADING_POWER = 4.0
_BETTER = 0.95
_FLOOR = np.float32(1e-4)


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


def departures(ground: Float32, alone: Float32, seen: Float32) -> Float32:
    """(M, n) log of how far each prediction is from the other kind.

    A reference's from the fill from the scene alone, which is the first; the fill's from the references' mixture: where
    they show ground unlike its surroundings, the fill is wrong, and only they know.

    Args:
        ground: (M, n, C) predictions.
        alone: (M, n) the error to expect of each, taken alone.
        seen: (M, n) 1 where the references show the pixel, else 0.
    """
    weight = shares(alone[1:], seen[1:] + _FLOOR, _LEADING_POWER)
    leading = (ground[1:] * weight[..., None]).sum(axis=0)
    apart = np.concatenate([abs(ground[:1] - leading), abs(ground[1:] - ground[:1])]).mean(axis=2)
    logs: Float32 = np.log(apart + _FLOOR)
    return logs


def shares(expected: Float32, usable: Float32, power: float) -> Float32:
    """Shares (M, n) that go with the inverse expected error to a power; `usable` (M, n) is 0 where there is none."""
    weight = usable * (expected.min(axis=0) / expected) ** np.float32(power)
    total: Float32 = weight / weight.sum(axis=0)
    return total


def mix(ground: Float32, expected: Float32, share: Float32) -> tuple[Float32, Float32]:
    """The mixture (n, C) of predictions (M, n, C), and what its error is told from (n, 3).

    Args:
        ground: predictions; the first is the fill from the scene alone.
        expected: (M, n) errors.
        share: (M, n), summing to 1.
    """
    mixed = (ground * share[..., None]).sum(axis=0)
    apart = (abs(ground - mixed).mean(axis=2) * share).sum(axis=0)
    filled = abs(ground[0] - mixed).mean(axis=1)
    logs = [np.log(v + _FLOOR) for v in (np.exp((np.log(expected) * share).sum(axis=0)), apart, filled)]
    return mixed, np.stack(logs, axis=1)


@dataclass(frozen=True)
class Judgement:
    """How predictions are judged and mixed; the lists have one entry for each, the fill from the scene alone first.

    Attributes:
        alone: error to expect, from `features`.
        beside: the same, from that and `departures`.
        power: of the shares.
        mixture: error to expect of the mixture.
        interval: half the width of the 90 % interval of a band, in expected errors.
        say: what the fill weighs where references show the pixel, 0 to 1. Clouds lie where they lie, over ground unlike
            the clear ground too, which only references can know: the fill counts only as far as the blobs found it
            no worse than the best of them.
    """

    alone: list[ExpectedError]
    beside: list[ExpectedError]
    power: float
    mixture: ExpectedError
    interval: float
    say: float

    @classmethod
    def fit(cls, ground: Float32, tables: list[Float32], seen: Float32, truth: Float32) -> Judgement:
        """Fit to predictions (M, n, C) of ground that is known, truth (n, C); tables are `features` of each."""
        error = abs(ground - truth).mean(axis=2)
        alone = [ExpectedError.fit(t[s > 0], e[s > 0]) for t, s, e in zip(tables, seen, error, strict=True)]
        beside: list[ExpectedError] = []
        expected = np.stack([a(t) for a, t in zip(alone, tables, strict=True)])
        if len(ground) > 1:
            pairs = np.stack([np.log(expected), departures(ground, expected, seen)], axis=2)
            any_seen = seen[1:].any(axis=0)
            for m in range(len(ground)):
                where = any_seen if m == 0 else seen[m] > 0
                beside.append(ExpectedError.fit(pairs[m][where], error[m][where]))
            expected = _beside(beside, expected, pairs, seen)
        say = 1.0
        if len(ground) > 1:
            ratio = min(
                float(e[s > 0].mean() / error[0][s > 0].mean()) for e, s in zip(error[1:], seen[1:], strict=True)
            )
            say = float(np.clip((ratio - _BETTER) / (1 - _BETTER), 0, 1))
        usable = _usable(seen, say)
        losses = [abs(mix(ground, expected, shares(expected, usable, p))[0] - truth).mean() for p in POWERS]
        power = POWERS[int(np.argmin(losses))]
        mixed, table = mix(ground, expected, shares(expected, usable, power))
        error = abs(mixed - truth)
        mixture = ExpectedError.fit(table, error.mean(axis=1))
        return cls(alone, beside, power, mixture, float(np.quantile(error / mixture(table)[:, None], 0.9)), say)

    def __call__(self, ground: Float32, tables: list[Float32], seen: Float32) -> tuple[Float32, Float32, Float32]:
        """The mixture (n, C), the error to expect (n,), and the shares (M, n).

        Args:
            ground: (M, n, C).
            tables: `features` (n, F) of each.
            seen: (M, n) 0 where a prediction has no reference that shows the pixel; up to 1.
        """
        expected = np.stack([a(t) for a, t in zip(self.alone, tables, strict=True)])
        if self.beside:
            pairs = np.stack([np.log(expected), departures(ground, expected, seen)], axis=2)
            expected = _beside(self.beside, expected, pairs, seen)
        share = shares(expected, _usable(seen, self.say), self.power)
        mixed, table = mix(ground, expected, share)
        return mixed, self.mixture(table), share


def _usable(seen: Float32, say: float) -> Float32:
    """What predictions may weigh (M, n): the fill all where nothing else is shown, else its say."""
    usable = seen.copy()
    usable[0] = np.float32(1) - np.float32(1 - say) * seen[1:].max(axis=0, initial=0)
    return usable


def _beside(beside: list[ExpectedError], alone: Float32, pairs: Float32, seen: Float32) -> Float32:
    """Expected errors (M, n) that know of the other predictions; the fill's own where no reference shows the pixel."""
    expected = np.stack([b(p) for b, p in zip(beside, pairs, strict=True)])
    expected[0] = np.where(seen[1:].any(axis=0), expected[0], alone[0])
    return expected
