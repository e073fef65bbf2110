"""The error to expect of a prediction, as a function of what is known before the truth is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

_STEPS = 25
_RIDGE = 3e-1
_SMALLEST = 1e-4


@dataclass(frozen=True)
class ExpectedError:
    """log E|e| is linear in features: a regression by maximum likelihood with Laplace errors.

    Attributes:
        centre, spread: (D,) of the features, which are standardised and cut at 4.
        weights: (1 + D,), the intercept first.
    """

    centre: Float32
    spread: Float32
    weights: Float32

    @classmethod
    def fit(cls, features: Float32, error: Float32) -> ExpectedError:
        """Fit to features (D, n) and absolute errors (n,); minimises the mean of log s + |e| / s (Fisher scoring).

        A feature that is NaN somewhere tells nothing there: it counts as its mean.
        """
        centre, deviation = _moments(features)
        return cls._fit(features, error, centre, deviation, np.zeros(len(features)))

    @classmethod
    def fit_within(
        cls, groups: Sequence[tuple[Float32, Float32]], slopes: Sequence[float], asked: Float32
    ) -> ExpectedError:
        """Fit to what differs within groups, each of features (D, n) and absolute errors (n,); in mean errors of each.

        How large the errors of a group are as a whole, and what its features are in the mean, say nothing of where in
        it they are large: the within estimator of fixed effects (Wooldridge 2010, section 10.5).

        Args:
            groups: to fit to; there may be none.
            slopes: (D,) of log E|e| against the features, which the fit is drawn towards.
            asked: (D, m) features that the error is asked for; they give the centre and the scale.
        """
        centre, deviation = _moments(asked)
        apart = [np.zeros((len(asked), 1), np.float32)]
        errors = [np.ones(1, np.float32)]
        for features, error in groups:
            apart.append(features - _moments(features)[0][:, None])
            errors.append(error / max(float(error.mean()), _SMALLEST))
        moved = np.concatenate(apart, axis=1) + centre[:, None]
        return cls._fit(moved, np.concatenate(errors), centre, deviation, np.array(slopes) * deviation)

    @classmethod
    def _fit(
        cls, features: Float32, error: Float32, centre: Float32, deviation: Float32, prior: Float64
    ) -> ExpectedError:
        z = _design(features, centre, deviation).T.astype(np.float64)
        e = np.maximum(error.astype(np.float64), _SMALLEST)
        # A gross error tells of its place no more than a large one.
        e = np.minimum(e, 20 * np.median(e))
        drawn = np.append(0, prior)
        w = drawn.copy()
        w[0] = np.log((e * np.exp(-z[:, 1:] @ prior)).mean())
        penalty = _RIDGE * len(z) * np.eye(len(w))
        penalty[0, 0] = 0
        hessian = z.T @ z + penalty
        for _ in range(_STEPS):
            ratio = np.minimum(e * np.exp(-np.clip(z @ w, -12, 3)), 20)
            step = np.linalg.solve(hessian, z.T @ (ratio - 1) - penalty @ (w - drawn))
            w = w + step / max(1.0, float(np.abs(step).max()))
            if np.abs(step).max() < 1e-4:
                break
        w[0] += np.log((error / np.exp(np.clip(z @ w, -12, 3))).mean())
        return cls(centre, deviation, w.astype(np.float32))

    def scaled(self, factor: float) -> ExpectedError:
        """The same, times a factor."""
        weights = self.weights.copy()
        weights[0] += np.float32(np.log(factor))
        return replace(self, weights=weights)

    def within(self, features: Float32) -> Float32:
        """E|e| (n,) for features (D, n) of another group, in its own mean."""
        return replace(self, centre=_moments(features)[0])(features)

    def __call__(self, features: Float32) -> Float32:
        """E|e| (n,) for features (D, n)."""
        logarithm = np.full(features.shape[1], self.weights[0])
        for value, centre, spread, weight in zip(features, self.centre, self.spread, self.weights[1:], strict=True):
            logarithm += np.nan_to_num(np.clip((value - centre) / spread, -4, 4)) * weight
        expected: Float32 = np.exp(np.clip(logarithm, -9, 1))
        return expected


def _moments(features: Float32) -> tuple[Float32, Float32]:
    """Mean and deviation (D,) of features (D, n), of those that are known; 0 and next to none if none are."""
    finite = np.where(np.isfinite(features).any(axis=1, keepdims=True), features, np.float32(0))
    return np.nanmean(finite, axis=1), np.nanstd(finite, axis=1) + np.float32(1e-6)


def _design(features: Float32, centre: Float32, deviation: Float32) -> Float32:
    z = np.nan_to_num(np.clip((features - centre[:, None]) / deviation[:, None], -4, 4))
    return np.concatenate([np.ones((1, z.shape[1]), np.float32), z])
