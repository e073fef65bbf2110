"""Scores of sets of images by their features and probabilities: distances with intervals, floor, inception, labels."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from unclouded.evaluation.features import Tensors
from unclouded.evaluation.frechet import bootstrap, by_label, extrapolate, floor, frechet_distance
from unclouded.evaluation.inception_score import highest_score, inception_score, multi_label_inception_score
from unclouded.evaluation.neighbours import kernel_distance, neighbourhood
from unclouded.evaluation.records import EvaluationConfig, Record
from unclouded.evaluation.sets import Sets

_NEIGHBOURS = 5

_KERNEL_SUBSETS, _KERNEL_SIZE = 100, 1000


def set_distances(
    real: NDArray[np.float32], generated: NDArray[np.float32], config: EvaluationConfig, name: str, notes: list[str]
) -> Record:
    """All distances of a set to the clear one, both reduced to the same N; warnings are appended to `notes`."""
    n = min(len(real), len(generated))
    real, generated = real[:n], generated[:n]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        distance = frechet_distance(real, generated)
    notes.extend(f"{name}: {text}" for text in dict.fromkeys(str(warning.message) for warning in caught))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        low, high = (
            bootstrap(real, generated, repeats=config.repeats, seed=config.seed)[1:]
            if config.repeats
            else (math.nan,) * 2
        )
        limit = extrapolate(real, generated, seed=config.seed) if n >= 4 else math.nan
    # Half of the set at most, since subsets of the whole set would all be the same.
    size = max(2, min(_KERNEL_SIZE, n // 2))
    kernel = kernel_distance(real, generated, subsets=_KERNEL_SUBSETS, size=size, seed=config.seed)
    k = min(_NEIGHBOURS, n - 1)
    return {
        "n": n,
        "frechet": distance,
        "low": low,
        "high": high,
        "extrapolated": limit,
        "kernel": kernel.mean,
        "kernel_deviation": kernel.deviation,
        "kernel_size": size,
        **neighbourhood(real, generated, k=k)._asdict(),
        "k": k,
    }


def floor_of(clear: NDArray[np.float32], seed: int) -> Record | None:
    """Fréchet distance between random halves of the clear set; None if it is too small."""
    if len(clear) < 4:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return {"n": len(clear) // 2, "frechet": floor(clear, seed=seed)}


def inception_scores(probabilities: NDArray[np.float32], output: str) -> Record:
    """Inception scores of probabilities (N, K) of a classifier with a "softmax" or "sigmoid" output."""
    # A softmax in float32 may exceed 1 by rounding.
    p = np.clip(probabilities.astype(np.float64), 0, 1)
    softmax = {"softmax": inception_score(p)} if output == "softmax" else {}
    return {"n": len(p), "multi_label": multi_label_inception_score(p), "highest": highest_score(p)} | softmax


def label_distances(
    found: Mapping[str, Tensors], sets: Sets, labels: NDArray[np.bool_], classes: tuple[str, ...], least: int
) -> Record:
    """Distances between the images with each class, and the N of both sets, which the bias depends on."""
    one, other = labels[sets.cloudy], labels[sets.clear]
    clear = found["clear"]["features"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        measured = {
            name: by_label(found[name]["features"], one, clear, other, least=least) for name in ("cleared", "cloudy")
        }
    return {
        classes[label]: {
            "n_cloudy": int(one[:, label].sum()),
            "n_clear": int(other[:, label].sum()),
            **{name: distances[label] for name, distances in measured.items()},
        }
        for label in measured["cleared"]
    }
