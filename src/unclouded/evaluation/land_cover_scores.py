"""Scores of a classifier's predicted classes: averaged over images, over all decisions, and over classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import InputError

SCORES = ("precision", "recall", "f1", "f2")

PAPER: dict[str, dict[str, float]] = {
    "ResNet-18": {"precision": 0.85, "recall": 0.77, "f1": 0.79, "f2": 0.77},
    "S-CNN-All": {"precision": 0.70, "recall": 0.77, "f1": 0.70, "f2": 0.74},
}
"""Scores in the paper for BigEarthNet's 43 classes."""

PAPER_FRECHET = {"cloudy": 228.0, "cleared": 106.0}
"""Fréchet distances to the clear validation images in the paper, in its classifier's feature space (epoch 100)."""


@dataclass(frozen=True)
class ClassifierScores:
    """Scores of predicted classes against the labels of N images.

    A score whose denominator is 0 is 0, so that predicting no class is not rewarded.

    Attributes:
        images: N.
        samples: mean over the images of each image's scores, as in BigEarthNet's tables.
        micro: over all decisions together.
        macro: mean over the classes among the labels of each class's scores.
        per_class: by class name: the scores, `support` (images with it) and `predicted` (images predicted to have it).
    """

    images: int
    samples: dict[str, float]
    micro: dict[str, float]
    macro: dict[str, float]
    per_class: dict[str, dict[str, float]]


def score(
    predicted: NDArray[np.bool_], labels: NDArray[np.bool_], classes: tuple[str, ...] | list[str]
) -> ClassifierScores:
    """Scores of predicted classes (N, K) against labels (N, K).

    Raises:
        InputError: the shapes do not fit, there is no image, or fewer than two classes are among the labels.
    """
    if predicted.shape != labels.shape or labels.ndim != 2 or labels.shape[1] != len(classes) or not len(labels):
        raise InputError(
            f"predictions of {predicted.shape} and labels of {labels.shape} for {len(classes)} classes; "
            "give one row for each image and one column for each class"
        )
    occurring = labels.any(axis=0)
    if occurring.sum() < 2:
        raise InputError(
            f"{int(occurring.sum())} class among the labels of {len(labels)} images; scores need two or more"
        )
    hits = predicted & labels
    per_image = _scores(hits.sum(axis=1), predicted.sum(axis=1), labels.sum(axis=1))
    per_class = _scores(hits.sum(axis=0), predicted.sum(axis=0), labels.sum(axis=0))
    together = _scores(np.array(hits.sum()), np.array(predicted.sum()), np.array(labels.sum()))
    counts = {"support": labels.sum(axis=0), "predicted": predicted.sum(axis=0)}
    return ClassifierScores(
        images=len(labels),
        samples={name: float(values.mean()) for name, values in per_image.items()},
        micro={name: float(value) for name, value in together.items()},
        macro={name: float(values[occurring].mean()) for name, values in per_class.items()},
        per_class={
            name: {key: float(values[index]) for key, values in per_class.items()}
            | {key: int(values[index]) for key, values in counts.items()}
            for index, name in enumerate(classes)
        },
    )


def _scores(hits: NDArray[Any], predicted: NDArray[Any], labelled: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Precision, recall, and F-beta = (1 + beta^2) hits / (beta^2 labelled + predicted) (van Rijsbergen 1979)."""

    def ratio(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(part / np.maximum(whole, 1), np.float64)

    values = (ratio(hits, predicted), ratio(hits, labelled), ratio(2 * hits, labelled + predicted))
    return dict(zip(SCORES, (*values, ratio(5 * hits, 4 * labelled + predicted)), strict=True))
