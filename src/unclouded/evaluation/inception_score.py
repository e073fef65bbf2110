"""Inception scores of label probabilities: how sure the labels of each image are, and how varied those of all.

The multi-label score is this project's answer to what the paper leaves as future work. For probabilities p_il of
label l in image i, with mean p_l over the images,

    score = exp( 1/N Σ_i Σ_l KL( Bernoulli(p_il) ‖ Bernoulli(p_l) ) ).

The exponent is the mutual information between an image and its labels, each label a coin of its own, as the exponent
of the original score (Salimans et al. 2016) is that of an image and its one class. Images that all look the same give
1, whatever they look like; so do images whose labels nobody can tell. It is at most exp(Σ_l H(p_l)) <= 2^L, reached
by labels that are sure in every image, and 2^L by labels that each half of the images bear.
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
    # 1 - p is averaged on its own: 1 - mean would be 0 beside a p just under 1, and the score infinite.
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
    """The multi-label score that images with these label frequencies would reach if their labels were sure.

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
