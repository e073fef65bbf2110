"""Inception scores of label probabilities: confident labels in each image, and diverse labels over all images.

The multi-label score extends the original one, which the paper leaves as future work. For probabilities p_il of label l
in image i, with mean p_l over the images,

    score = exp( 1/N Σ_i Σ_l KL( Bernoulli(p_il) ‖ Bernoulli(p_l) ) ).

The exponent is the mutual information between an image and its labels, for independent labels, as the exponent of the
original score (Salimans et al. 2016) is that of an image and its one class. The score is 1 for identical images, and
for images whose label probabilities are all the same. It is at most exp(Σ_l H(p_l)) <= 2^L, which is reached by labels
of probability 0 or 1, and equals 2^L if half of the images have each label.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from unclouded.errors import InputError
from unclouded.evaluation.frechet import Float


def multi_label_inception_score(probabilities: ArrayLike) -> float:
    """Score of independent label probabilities (N, L), each in [0, 1]: from 1 to 2^L; higher is better.

    Raises:
        InputError: they are not probabilities.
    """
    p = _check(probabilities)
    # 1 - p is averaged separately, since 1 - mean may round to 0 for p just below 1, and the score be infinite.
    information = _relative(p, p.mean(axis=0)) + _relative(1 - p, (1 - p).mean(axis=0))
    return float(np.exp(information.sum(axis=1).mean()))


def inception_score(probabilities: ArrayLike) -> float:
    """Score of class probabilities (N, L) that sum to 1 (Salimans et al. 2016, eq. 1): from 1 to L; higher is better.

    Raises:
        InputError: they are not probabilities, or do not sum to 1.
    """
    p = _check(probabilities)
    if not np.allclose(p.sum(axis=1), 1, atol=1e-3):
        raise InputError("the probabilities of an image do not sum to 1; take the multi-label score for them")
    return float(np.exp(_relative(p, p.mean(axis=0)).sum(axis=1).mean()))


def highest_score(probabilities: ArrayLike) -> float:
    """The largest multi-label score for these label frequencies, reached with probabilities of 0 or 1.

    Raises:
        InputError: they are not probabilities.
    """
    mean = _check(probabilities).mean(axis=0)
    return float(np.exp(-(_relative(mean, np.ones(1)) + _relative(1 - mean, np.ones(1))).sum()))


def _relative(p: Float, q: Float) -> Float:
    """Return p log(p / q), 0 where p is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(p > 0, p * np.log(p / q), 0.0)


def _check(probabilities: ArrayLike) -> Float:
    p = np.asarray(probabilities, np.float64)
    if p.ndim != 2 or not p.size or not np.isfinite(p).all() or p.min() < 0 or p.max() > 1:
        raise InputError(f"probabilities of shape {p.shape}; a table (images, labels) within [0, 1] is accepted")
    return p
