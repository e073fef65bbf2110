"""The Fréchet distance between two sets of features, with floor, confidence interval and extrapolation.

d² = |μ1 - μ2|² + tr(Σ1) + tr(Σ2) - 2 tr((Σ1^½ Σ2 Σ1^½)^½) (Dowson and Landau 1982; Heusel et al. 2017, eq. 6)
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from unclouded.errors import InputError

Float = NDArray[np.float64]


@dataclass(frozen=True)
class FeatureMoments:
    """Mean and scatter matrix of a set of features, in float64.

    Attributes:
        count: number of features N.
        mean: (d,).
        scatter: (d, d) sum of the outer products of the centred features.
    """

    count: int
    mean: Float
    scatter: Float

    @classmethod
    def of(cls, features: ArrayLike) -> FeatureMoments:
        """The moments of features (N, d), N >= 1.

        Raises:
            InputError: they are not a table of finite numbers.
        """
        x = check_features(features)
        mean = x.mean(axis=0)
        centred = x - mean
        return cls(len(x), mean, centred.T @ centred)

    @property
    def covariance(self) -> Float:
        """Unbiased covariance (d, d).

        Raises:
            InputError: there are fewer than two features.
        """
        if self.count < 2:
            raise InputError(f"{self.count} feature has no covariance; give at least two images")
        return self.scatter / (self.count - 1)


class Interval(NamedTuple):
    """An estimate with its confidence interval."""

    estimate: float
    low: float
    high: float


def frechet_distance(a: ArrayLike | FeatureMoments, b: ArrayLike | FeatureMoments) -> float:
    """Fréchet distance between two sets of features as Gaussians, squared, as it is usually reported.

    It is biased upwards for small sets: compare at equal N only, and report `floor` with it.

    Args:
        a: (N, d) features, or their moments.
        b: (M, d) features, or their moments.

    Returns:
        A finite number >= 0.

    Raises:
        InputError: the features are not finite, of different width, or fewer than two.
    """
    one, other = (x if isinstance(x, FeatureMoments) else FeatureMoments.of(x) for x in (a, b))
    check_widths(len(one.mean), len(other.mean))
    first, second = one.covariance, other.covariance
    for moments, covariance in ((one, first), (other, second)):
        if np.trace(covariance) <= 1e-12 * (1 + float(moments.mean @ moments.mean)):
            warnings.warn(f"all {moments.count} features are the same: a collapsed set", stacklevel=2)
        elif moments.count <= len(moments.mean):
            warnings.warn(
                f"{moments.count} features of width {len(moments.mean)} do not determine a covariance: the distance is "
                "dominated by their number",
                stacklevel=2,
            )
    eigenvalues = _eigenvalues_of_product(first, second, full_rank=one.count > len(first))
    trace_root = float(np.sqrt(eigenvalues[eigenvalues > _rounding(eigenvalues)]).sum())
    step = one.mean - other.mean
    return max(0.0, float(step @ step + np.trace(first) + np.trace(second) - 2 * trace_root))


def floor(features: ArrayLike, *, seed: int = 0, repeats: int = 5) -> float:
    """Mean distance between random halves of one set: the distance of a perfect generator at half its N.

    Raises:
        InputError: there are fewer than four features.
    """
    x = check_features(features)
    if len(x) < 4:
        raise InputError(f"{len(x)} features cannot be halved into sets of two; give at least four")
    rng = np.random.default_rng(seed)
    half = len(x) // 2
    orders = [rng.permutation(len(x)) for _ in range(repeats)]
    return float(np.mean([frechet_distance(x[order[:half]], x[order[half : 2 * half]]) for order in orders]))


def bootstrap(a: ArrayLike, b: ArrayLike, *, repeats: int = 100, confidence: float = 0.95, seed: int = 0) -> Interval:
    """Distance with a bootstrap confidence interval (Efron 1979).

    Sets drawn with replacement have fewer distinct features and so a larger distance; the interval is corrected for
    this bias.
    """
    x, y = check_features(a), check_features(b)
    estimate = frechet_distance(x, y)
    rng = np.random.default_rng(seed)
    drawn = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for _ in range(repeats):
            i, j = rng.integers(len(x), size=len(x)), rng.integers(len(y), size=len(y))
            drawn.append(frechet_distance(x[i], y[j]))
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn, [tail, 1 - tail]) - (np.mean(drawn) - estimate)
    return Interval(estimate, max(0.0, float(low)), float(high))


def extrapolate(a: ArrayLike, b: ArrayLike, *, sizes: Sequence[int] | None = None, seed: int = 0) -> float:
    """Distance at infinite N: a line in 1 / N through the distances of smaller sets (Chong and Forsyth 2020).

    Args:
        a: (N, d) features.
        b: (M, d) features.
        sizes: of the sets drawn; by default ten between half of the smaller set and all of it.
        seed: of the sets drawn.

    Raises:
        InputError: there are too few features for two sizes.
    """
    x, y = check_features(a), check_features(b)
    most = min(len(x), len(y))
    if sizes is None:
        sizes = sorted({int(size) for size in np.linspace(max(2, most // 2), most, 10)})
    if len(sizes) < 2:
        raise InputError(f"{most} features are too few to extrapolate from; give at least four")
    rng = np.random.default_rng(seed)
    distances = [frechet_distance(x[rng.permutation(len(x))[:n]], y[rng.permutation(len(y))[:n]]) for n in sizes]
    slope_and_limit = np.polyfit(1 / np.asarray(sizes, np.float64), distances, 1)
    return float(slope_and_limit[1])


def by_label(
    a: ArrayLike, a_labels: ArrayLike, b: ArrayLike, b_labels: ArrayLike, *, least: int = 50
) -> dict[int, float]:
    """Distance between the images of both sets with each label.

    Args:
        a: (N, d) features.
        a_labels: (N, L) multi-hot.
        b: (M, d) features.
        b_labels: (M, L) multi-hot.
        least: images in each set from which on a label is included.

    Returns:
        Distances by index of the label.

    Raises:
        InputError: labels and features differ in shape.
    """
    x, y = check_features(a), check_features(b)
    p, q = np.asarray(a_labels, bool), np.asarray(b_labels, bool)
    if p.ndim != 2 or q.ndim != 2 or len(p) != len(x) or len(q) != len(y) or p.shape[1] != q.shape[1]:
        raise InputError(f"labels of {p.shape} and {q.shape} do not fit features of {x.shape} and {y.shape}")
    found = {}
    for label in range(p.shape[1]):
        if min(p[:, label].sum(), q[:, label].sum()) >= max(2, least):
            found[label] = frechet_distance(x[p[:, label]], y[q[:, label]])
    return found


def check_features(features: ArrayLike) -> Float:
    """Convert features to (N, d) float64.

    Raises:
        InputError: they are not a table of finite numbers.
    """
    x = np.asarray(features, np.float64)
    if x.ndim != 2 or not x.size:
        raise InputError(f"features of shape {x.shape}; a table (images, width) is accepted")
    if not np.isfinite(x).all():
        bad = int((~np.isfinite(x)).any(axis=1).sum())
        raise InputError(f"{bad} of {len(x)} features hold NaN or infinity; look at the images or weights they are of")
    return x


def check_widths(one: int, other: int) -> None:
    """Check that two sets of features have the same width.

    Raises:
        InputError: they differ.
    """
    if one != other:
        raise InputError(f"features of width {one} and of width {other}; both sets must come from the same classifier")


def _eigenvalues_of_product(first: Float, second: Float, *, full_rank: bool) -> Float:
    """Eigenvalues of Σ1 Σ2; `full_rank` if Σ1 may have full rank.

    With Σ1 = A Aᵀ they are those of Aᵀ Σ2 A, which is symmetric, so that they are real.
    """
    if full_rank:
        try:
            # LAPACK's sygv: A by Cholesky, and Aᵀ Σ2 A in place, at a quarter of the work of two matrix products.
            return np.asarray(linalg.eigh(second, first, type=2, eigvals_only=True, driver="gv"))
        except linalg.LinAlgError:
            pass
    # Directions with a variance of rounding are left out, since their roots would be noise.
    values, vectors = linalg.eigh(first)
    kept = values > _rounding(values)
    if not kept.any():
        return np.zeros(1)
    root = vectors[:, kept] * np.sqrt(values[kept])
    return np.asarray(linalg.eigvalsh(root.T @ second @ root))


def _rounding(values: Float) -> float:
    return float(len(values) * np.finfo(np.float64).eps * max(values.max(initial=0.0), 0.0))
