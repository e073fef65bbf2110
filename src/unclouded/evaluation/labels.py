"""Scores of label probabilities that do not depend on a threshold: average precision, and calibration.

Scores of predicted labels (precision, recall, F1, F2) are in `land_cover_scores`.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from unclouded.errors import InputError
from unclouded.evaluation.frechet import Float


class AveragePrecision(NamedTuple):
    """Area under the precision-recall curve, in three averages.

    Attributes:
        samples: of each image, mean over the images with labels.
        micro: of all decisions together.
        macro: of each class, mean over the classes among the labels: the usual mAP.
        per_class: (K,); NaN for a class that no image has.
    """

    samples: float
    micro: float
    macro: float
    per_class: Float


class Calibration(NamedTuple):
    """Reliability of probabilities, over all decisions.

    Attributes:
        error: expected calibration error: mean over the decisions of |frequency - probability| in their bin.
        counts: (bins,) decisions in each bin of equal width.
        probability: (bins,) mean probability; NaN in an empty bin.
        frequency: (bins,) share of positive labels; NaN in an empty bin.
    """

    error: float
    counts: NDArray[np.int64]
    probability: Float
    frequency: Float


def average_precision(probabilities: ArrayLike, labels: ArrayLike) -> AveragePrecision:
    """Average precision: the sum over the ranks of precision times the gain in recall, without interpolation.

    Equal probabilities share one rank, so that the result does not depend on the order of the images.

    Args:
        probabilities: (N, K), or any scores with the same ranking.
        labels: (N, K) multi-hot.

    Raises:
        InputError: the shapes differ, probabilities are not finite, or no image has a label.
    """
    p, positive = _check(probabilities, labels)
    if not positive.any():
        raise InputError(f"none of {len(positive)} images bears a label; average precision takes at least one")
    per_class = np.array([_area(p[:, k], positive[:, k]) for k in range(p.shape[1])])
    per_image = [_area(scores, row) for scores, row in zip(p, positive, strict=True) if row.any()]
    return AveragePrecision(
        samples=float(np.mean(per_image)),
        micro=_area(p.ravel(), positive.ravel()),
        macro=float(np.nanmean(per_class)),
        per_class=per_class,
    )


def calibration(probabilities: ArrayLike, labels: ArrayLike, *, bins: int = 15) -> Calibration:
    """Expected calibration error of label probabilities (Naeini et al. 2015; Guo et al. 2017, eq. 3, per decision).

    Each pair of an image and a class is a decision. Softmax probabilities sum to 1 over an image's classes, so they are
    too small, and badly calibrated, for images with several labels.

    Args:
        probabilities: (N, K) in [0, 1].
        labels: (N, K) multi-hot.
        bins: number of bins of equal width.

    Raises:
        InputError: the shapes differ, or values are no probabilities.
    """
    p, positive = _check(probabilities, labels)
    if p.min() < 0 or p.max() > 1:
        raise InputError(f"probabilities from {p.min():.3g} to {p.max():.3g}; from 0 to 1 is accepted")
    place = np.minimum((p.ravel() * bins).astype(np.int64), bins - 1)
    counts = np.bincount(place, minlength=bins)
    expected = np.bincount(place, p.ravel(), minlength=bins)
    found = np.bincount(place, positive.ravel(), minlength=bins)
    with np.errstate(invalid="ignore"):
        return Calibration(float(np.abs(found - expected).sum() / p.size), counts, expected / counts, found / counts)


def _area(scores: Float, positive: NDArray[np.bool_]) -> float:
    """Average precision of scores (N,) for labels (N,); NaN without a positive label."""
    if not positive.any():
        return math.nan
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(positive[order])
    last = np.append(np.diff(scores[order]) != 0, True)  # of those with equal scores
    hits, ranks = hits[last], np.flatnonzero(last) + 1
    return float((np.diff(hits, prepend=0) * hits / ranks).sum() / hits[-1])


def _check(probabilities: ArrayLike, labels: ArrayLike) -> tuple[Float, NDArray[np.bool_]]:
    p, positive = np.asarray(probabilities, np.float64), np.asarray(labels) > 0
    if p.ndim != 2 or p.shape != positive.shape or not p.size:
        raise InputError(
            f"probabilities of {p.shape} and labels of {positive.shape}; give both as (images, classes) of one shape"
        )
    if not np.isfinite(p).all():
        raise InputError(f"{int((~np.isfinite(p)).any(axis=1).sum())} of {len(p)} images have probabilities of NaN")
    return p, positive
