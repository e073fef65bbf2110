"""How good label probabilities are whatever the threshold: average precision, and calibration.

Scores of decided labels (precision, recall, F1, F2 and how BigEarthNet's tables average them) are in
`land_cover_scores`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unclouded.errors import InputError
from unclouded.evaluation.frechet import Float


class AveragePrecision(NamedTuple):
    """Area under the curve of precision over recall, in three averages.

    Attributes:
        samples: of each image's labels, mean over the images that bear one.
        micro: of all decisions together.
        macro: of each class's images, mean over the classes that an image bears: the usual mAP.
        per_class: (K,); NaN for a class that no image bears.
    """

    samples: float
    micro: float
    macro: float
    per_class: Float


class Calibration(NamedTuple):
    """How far probabilities are from the frequencies that they promise, all decisions together.

    Attributes:
        error: expected calibration error: mean over the decisions of |frequency - probability| in their bin.
        counts: (bins,) decisions in each bin of equal width.
        probability: (bins,) their mean probability; NaN in an empty bin.
        frequency: (bins,) share of them whose label is there; NaN in an empty bin.
    """

    error: float
    counts: NDArray[np.int64]
    probability: Float
    frequency: Float


def average_precision(probabilities: ArrayLike, labels: ArrayLike) -> AveragePrecision:
    """Average precision: the sum over the ranks of precision times the gain in recall, without interpolation.

    Equal probabilities share one rank, so that the order of the images makes no difference.

    Args:
        probabilities: (N, K), or any scores that rank alike.
        labels: (N, K) 1 where an image bears a class.

    Raises:
        InputError: they do not fit each other, are not finite, or no image bears a label.
    """
    p, there = _check(probabilities, labels)
    if not there.any():
        raise InputError(f"none of {len(there)} images bears a label; average precision takes at least one")
    per_class = np.array([_area(p[:, k], there[:, k]) for k in range(p.shape[1])])
    per_image = [_area(scores, row) for scores, row in zip(p, there, strict=True) if row.any()]
    return AveragePrecision(
        samples=float(np.mean(per_image)),
        micro=_area(p.ravel(), there.ravel()),
        macro=float(np.nanmean(per_class)),
        per_class=per_class,
    )


def calibration(probabilities: ArrayLike, labels: ArrayLike, *, bins: int = 15) -> Calibration:
    """Expected calibration error of label probabilities (Naeini et al. 2015; Guo et al. 2017, eq. 3, per decision).

    Each pair of an image and a class is a decision. The probabilities of a softmax share 1 among an image's labels, so
    they promise too little wherever there are several: their error says so, and is no slip of the measure.

    Args:
        probabilities: (N, K) in [0, 1].
        labels: (N, K) 1 where an image bears a class.
        bins: of equal width.

    Raises:
        InputError: they do not fit each other, or are no probabilities.
    """
    p, there = _check(probabilities, labels)
    if p.min() < 0 or p.max() > 1:
        raise InputError(f"probabilities from {p.min():.3g} to {p.max():.3g}; from 0 to 1 is accepted")
    place = np.minimum((p.ravel() * bins).astype(np.int64), bins - 1)
    counts = np.bincount(place, minlength=bins)
    promised = np.bincount(place, p.ravel(), minlength=bins)
    found = np.bincount(place, there.ravel(), minlength=bins)
    with np.errstate(invalid="ignore"):
        return Calibration(float(np.abs(found - promised).sum() / p.size), counts, promised / counts, found / counts)


def _area(scores: Float, there: NDArray[np.bool_]) -> float:
    """Average precision of scores (N,); NaN where no label is there."""
    if not there.any():
        return math.nan
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(there[order])
    last = np.append(np.diff(scores[order]) != 0, True)  # of those that share a rank
    hits, ranks = hits[last], np.flatnonzero(last) + 1
    return float((np.diff(hits, prepend=0) * hits / ranks).sum() / hits[-1])


def _check(probabilities: ArrayLike, labels: ArrayLike) -> tuple[Float, NDArray[np.bool_]]:
    p, there = np.asarray(probabilities, np.float64), np.asarray(labels) > 0
    if p.ndim != 2 or p.shape != there.shape or not p.size:
        raise InputError(
            f"probabilities of {p.shape} and labels of {there.shape}; give both as (images, classes) of one shape"
        )
    if not np.isfinite(p).all():
        raise InputError(f"{int((~np.isfinite(p)).any(axis=1).sum())} of {len(p)} images have probabilities of NaN")
    return p, there
