"""Spreading what is known at some cells over all of them: normalised convolution on a pyramid of cells."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

Float32 = NDArray[np.float32]

_MOST_AT_ONCE = 500_000
"""Values that are worked on at once: they stay in the processor's cache."""
_BINOMIAL = (0.0625, 0.25, 0.375, 0.25, 0.0625)


def spread(values: Float32, weight: Float32, narrowest: int, shrinkage: float) -> Float32:
    """Values (C, h, w), known as far as `weight` (h, w) says (0 to 1), spread over the whole grid.

    Normalised convolution (Knutsson and Westin 1993) at each level of a pyramid of halvings; each level is drawn
    towards the one above it, as if that were `shrinkage` known cells, so that many known cells nearby decide, and
    few leave it to those farther away.

    Args:
        values: (C, h, w); what stands where the weight is 0 is not read.
        weight: (h, w).
        narrowest: the finest level whose smoothing is asked; 0 is the grid of cells itself.
        shrinkage: in cells.
    """
    known = weight > 0
    weights = _pyramid(weight[None])
    smooth = {level: _smooth(weights[level]) for level in range(narrowest, len(weights))}
    together = max(1, _MOST_AT_ONCE // weight.size)
    answer = np.empty_like(values)
    for first in range(0, len(values), together):
        some = np.s_[first : first + together]
        moments = _pyramid(np.where(known, values[some], np.float32(0)) * weight)
        answer[some] = _spread(moments, weights, smooth, shrinkage)
    return answer


def _pyramid(values: Float32) -> list[Float32]:
    levels = [values]
    while max(levels[-1].shape[1:]) > 1:
        levels.append(_halve(levels[-1]))
    return levels


def _spread(
    moments: list[Float32], weights: list[Float32], smooth_weights: Mapping[int, Float32], shrinkage: float
) -> Float32:
    """Of the values times their weight, and the weight, at each level; the weight smoothed at those that are asked."""
    answer: Float32 = np.asarray(moments[-1] / np.maximum(weights[-1], np.float32(1e-12)), np.float32)
    for level in range(len(moments) - 1, -1, -1):
        if level < len(moments) - 1:
            answer = _double(answer, moments[level])
        if level in smooth_weights:
            shrunk = np.float32(shrinkage)
            answer = (_smooth(moments[level]) + shrunk * answer) / (smooth_weights[level] + shrunk)
    spread_out: Float32 = np.asarray(answer, np.float32)
    return spread_out


def _halve(values: Float32) -> Float32:
    """Means over 2 x 2, as if the grid went on with nothing known."""
    height, width = (n + n % 2 for n in values.shape[1:])
    padded = np.zeros((len(values), height, width), np.float32)
    padded[:, : values.shape[1], : values.shape[2]] = values
    quarter = np.float32(0.25)
    return (padded[:, ::2, ::2] + padded[:, 1::2, ::2] + padded[:, ::2, 1::2] + padded[:, 1::2, 1::2]) * quarter


def _double(values: Float32, like: Float32) -> Float32:
    """Bilinear, onto the grid of `like`, of which `values` are the means over 2 x 2."""
    for axis in (1, 2):
        values = np.moveaxis(values, axis, 0)
        wide = np.concatenate([values[:1], values, values[-1:]])
        near, far = np.float32(0.75) * values, np.float32(0.25) * wide
        doubled = np.empty((2 * len(values), *values.shape[1:]), np.float32)
        np.add(near, far[:-2], out=doubled[0::2])
        np.add(near, far[2:], out=doubled[1::2])
        values = np.moveaxis(doubled[: like.shape[axis]], 0, axis)
    return values


def _smooth(values: Float32) -> Float32:
    """Binomial kernel of 5 x 5, a standard deviation of one cell; beyond the edge nothing is known."""
    for axis in (1, 2):
        answer: Float32 = correlate1d(values, _BINOMIAL, axis, np.float32, mode="constant")
        values = answer
    return values
