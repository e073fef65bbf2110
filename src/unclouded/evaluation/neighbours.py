"""Scores of two sets of features by nearest neighbours and kernels, computed in blocks with constant memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unclouded.errors import InputError
from unclouded.evaluation.frechet import Float, check_features, check_widths

_BLOCK = 512
"""Rows of distances that are held at once."""


class Neighbourhood(NamedTuple):
    """Overlap of generated and real images in feature space.

    Attributes:
        precision: share of the generated in the neighbourhood of a real one (Kynkäänniemi et al. 2019).
        recall: share of the real in the neighbourhood of a generated one (ibid.).
        density: mean number of real neighbourhoods around a generated one, over k; may exceed 1 (Naeem et al. 2020).
        coverage: share of the real whose neighbourhood holds a generated one (ibid.).
    """

    precision: float
    recall: float
    density: float
    coverage: float


class KernelDistance(NamedTuple):
    """Mean kernel distance over subsets, and its standard deviation."""

    mean: float
    deviation: float


def neighbourhood(real: ArrayLike, generated: ArrayLike, *, k: int = 5) -> Neighbourhood:
    """Precision, recall, density and coverage with neighbourhoods up to the `k`-th neighbour.

    Args:
        real: (N, d) features.
        generated: (M, d) features.
        k: neighbours.

    Raises:
        InputError: the features are not finite, of different width, or not more than `k`.
    """
    x, y = check_features(real), check_features(generated)
    check_widths(x.shape[1], y.shape[1])
    if min(len(x), len(y)) <= k:
        raise InputError(f"{len(x)} and {len(y)} features have no {k} neighbours each; give more images or a smaller k")
    radius_x, radius_y = _kth_squared(x, k), _kth_squared(y, k)
    in_real, in_generated, covered = np.zeros(len(y)), np.zeros(len(x), bool), np.zeros(len(x), bool)
    for rows, squares in _squared_distances(x, y):
        near = squares <= radius_x[rows, None]
        in_real += near.sum(axis=0)
        covered[rows] = near.any(axis=1)
        in_generated[rows] = (squares <= radius_y[None]).any(axis=1)
    return Neighbourhood(
        precision=float((in_real > 0).mean()),
        recall=float(in_generated.mean()),
        density=float(in_real.mean() / k),
        coverage=float(covered.mean()),
    )


def kernel_distance(
    real: ArrayLike, generated: ArrayLike, *, subsets: int = 100, size: int = 1000, seed: int = 0
) -> KernelDistance:
    """KID: unbiased squared maximum mean discrepancy with the kernel (x·y / d + 1)³ (Bińkowski et al. 2018).

    Args:
        real: (N, d) features.
        generated: (M, d) features.
        subsets: number of pairs of subsets to average over.
        size: of each subset, at most that of the sets.
        seed: of the subsets.

    Raises:
        InputError: the features are not finite, of different width, or fewer than two.
    """
    x, y = check_features(real), check_features(generated)
    check_widths(x.shape[1], y.shape[1])
    size = min(size, len(x), len(y))
    if size < 2:
        raise InputError(f"{len(x)} and {len(y)} features; a kernel distance takes at least two of each")
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(subsets):
        p, q = x[rng.permutation(len(x))[:size]], y[rng.permutation(len(y))[:size]]
        found.append(_mean_off_diagonal(p) + _mean_off_diagonal(q) - 2 * float(_kernel(p, q).mean()))
    return KernelDistance(float(np.mean(found)), float(np.std(found)))


def _kernel(x: Float, y: Float) -> Float:
    return np.asarray((x @ y.T / x.shape[1] + 1) ** 3)


def _mean_off_diagonal(x: Float) -> float:
    """Mean of the kernel over pairs of distinct features."""
    kernel = _kernel(x, x)
    count = len(x)
    return float((kernel.sum() - np.trace(kernel)) / (count * (count - 1)))


def _kth_squared(x: Float, k: int) -> Float:
    """Squared distance of each feature to its `k`-th neighbour other than itself."""
    radius = np.empty(len(x))
    for rows, squares in _squared_distances(x, x):
        # The distance of a feature to itself may not be 0 by rounding; it has to come first.
        squares[np.arange(len(squares)), np.arange(rows.start, rows.stop)] = -1
        radius[rows] = np.partition(squares, k, axis=1)[:, k]
    return radius


def _squared_distances(x: Float, y: Float) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """Squared distances of a block of `x` at a time to all of `y`."""
    norms = np.square(y).sum(axis=1)
    for start in range(0, len(x), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(x)))
        block = x[rows]
        yield rows, np.maximum(np.square(block).sum(axis=1)[:, None] + norms[None] - 2 * block @ y.T, 0)
