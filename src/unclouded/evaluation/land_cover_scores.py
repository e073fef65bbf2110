"""The table of a classifier: how good its predicted classes are, over images, over all decisions, and per class."""

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
"""What the paper gives for BigEarthNet's 43 classes."""

PAPER_FRECHET = {"cloudy": 228.0, "cleared": 106.0}
"""Fréchet distances to the clear validation images that the paper gives, in its classifier's features (epoch 100)."""


@dataclass(frozen=True)
class ClassifierScores:
    """Scores of predicted classes against the labels of N images.

    A score whose denominator is 0 counts as 0, so that a classifier gains nothing by predicting nothing.

    Attributes:
        images: N.
        samples: each score per image, then averaged over the images: the averaging of BigEarthNet's tables.
        micro: over all decisions together.
        macro: per class, then averaged over the classes that some image shows.
        per_class: by class name: the scores, `support` (images that show it) and `predicted` (images it is seen in).
    """

    images: int
    samples: dict[str, float]
    micro: dict[str, float]
    macro: dict[str, float]
    per_class: dict[str, dict[str, float]]


def score(
    predicted: NDArray[np.bool_], labels: NDArray[np.bool_], classes: tuple[str, ...] | list[str]
) -> ClassifierScores:
    """Measure predicted classes (N, K) against labels (N, K).

    Raises:
        InputError: the shapes do not fit, there is no image, or fewer than two classes are among the labels.
    """
    if predicted.shape != labels.shape or labels.ndim != 2 or labels.shape[1] != len(classes) or not len(labels):
        raise InputError(
            f"predictions of {predicted.shape} and labels of {labels.shape} for {len(classes)} classes; "
            "give one row for each image and one column for each class"
        )
    shown = labels.any(axis=0)
    if shown.sum() < 2:
        raise InputError(f"{int(shown.sum())} class among the labels of {len(labels)} images; scores need two or more")
    hits = predicted & labels
    per_image = _scores(hits.sum(axis=1), predicted.sum(axis=1), labels.sum(axis=1))
    per_class = _scores(hits.sum(axis=0), predicted.sum(axis=0), labels.sum(axis=0))
    together = _scores(np.array(hits.sum()), np.array(predicted.sum()), np.array(labels.sum()))
    counts = {"support": labels.sum(axis=0), "predicted": predicted.sum(axis=0)}
    return ClassifierScores(
        images=len(labels),
        samples={name: float(values.mean()) for name, values in per_image.items()},
        micro={name: float(value) for name, value in together.items()},
        macro={name: float(values[shown].mean()) for name, values in per_class.items()},
        per_class={
            name: {key: float(values[index]) for key, values in per_class.items()}
            | {key: int(values[index]) for key, values in counts.items()}
            for index, name in enumerate(classes)
        },
    )


def _scores(hits: NDArray[Any], predicted: NDArray[Any], there: NDArray[Any]) -> dict[str, NDArray[np.float64]]:
    """Precision, recall, and F-beta = (1 + beta^2) hits / (beta^2 there + predicted) (van Rijsbergen 1979)."""

    def share(part: NDArray[Any], whole: NDArray[Any]) -> NDArray[np.float64]:
        return np.asarray(part / np.maximum(whole, 1), np.float64)

    values = (share(hits, predicted), share(hits, there), share(2 * hits, there + predicted))
    return dict(zip(SCORES, (*values, share(5 * hits, 4 * there + predicted)), strict=True))
