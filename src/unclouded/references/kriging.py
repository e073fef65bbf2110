"""The ground on another day, estimated from several dates: ordinary kriging in time (Cressie 1993, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

NUGGET = 0.2
"""Semivariance of two dates next to each other (haze, sun, noise of the detector), in that of two far apart."""
RANGE = 60.0
"""Days by which two thirds of what dates far apart differ in have changed; as far a date that is not known counts."""
_FLOOR = np.float32(1e-6)


def semivariance(days: Float64) -> Float64:
    """Half the mean square by which the ground of two dates differs, in that of dates far apart; without a unit."""
    made: Float64 = NUGGET + 1 - np.exp(-np.abs(days) / RANGE)
    return made


@dataclass(frozen=True)
class Kriging:
    """Weights of K dates for the day of the scene, for each set of them that shows a pixel.

    Attributes:
        weights: (2^K, K): of the set whose members are the bits of the row's number; row 0 is empty.
        variance: (2^K,) of the error to expect, as of `semivariance`.
    """

    weights: Float32
    variance: Float32

    @classmethod
    def of(cls, days: Sequence[float | None]) -> Kriging:
        """Of dates so many days from the scene; None where a date is not known."""
        count = len(days)
        between = np.array([[_apart(one, other) for other in days] for one in days])
        to_scene = semivariance(np.array([_apart(one, 0.0) for one in days]))
        mutual = np.where(np.eye(count, dtype=bool), 0, semivariance(between))
        weights, variance = np.zeros((2**count, count)), np.zeros(2**count)
        for code in range(1, 2**count):
            some = [k for k in range(count) if code >> k & 1]
            weights[code, some] = _solve(mutual[np.ix_(some, some)], to_scene[some])
            w = weights[code]
            variance[code] = 2 * w @ to_scene - w @ mutual @ w
        return cls(weights.astype(np.float32), variance.astype(np.float32))

    def __call__(self, values: Float32, visible: Float32) -> KrigingEstimate:
        """Combine what the dates show.

        Args:
            values: (K, C, n) reflectance; finite everywhere.
            visible: (K, n) how far each shows the pixel, 0 to 1: between the two, what sets with it and without it say
                fades into each other.
        """
        share = np.ones((1, visible.shape[1]), np.float32)
        for fade in visible:
            share = np.concatenate([share * (1 - fade), share * fade])
        known = 1 - share[0]
        divisor = np.maximum(known, _FLOOR)
        weight = self.weights.T @ share / divisor
        ground = np.einsum("kcn,kn->cn", values, weight)
        apart = np.einsum("kcn,kn->cn", np.square(values - ground), weight)
        spread = np.sqrt(np.maximum(apart, 0)).mean(axis=0)
        return KrigingEstimate(ground, known, weight, np.sqrt(self.variance @ share / divisor), spread)


@dataclass(frozen=True)
class KrigingEstimate:
    """The estimate of n pixels.

    Attributes:
        ground: (C, n) reflectance; means nothing where `known` is 0.
        known: (n,) how far any of them shows the pixel, 0 to 1.
        weight: (K, n) of each, of sum 1 where `known` is not 0.
        growth: (n,) how the error grows with the days between: the root of the kriging variance.
        spread: (n,) how far they differ: the weighted standard deviation, mean over the bands.
    """

    ground: Float32
    known: Float32
    weight: Float32
    growth: Float32
    spread: Float32


def _apart(one: float | None, other: float | None) -> float:
    return RANGE if one is None or other is None else abs(one - other)


def _solve(mutual: Float64, to_scene: Float64) -> Float64:
    """The weights of sum 1 of least variance; those under 0 are cut, as a date that is screened says nothing new."""
    count = len(to_scene)
    system = np.ones((count + 1, count + 1))
    system[:count, :count], system[count, count] = mutual, 0
    weights = np.maximum(np.linalg.solve(system, np.append(to_scene, 1))[:count], 0)
    answer: Float64 = weights / weights.sum()
    return answer
