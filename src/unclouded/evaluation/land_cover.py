"""Predictions of a classifier for labelled images, and the choice of its threshold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unclouded.bands import INDEX, NAMES
from unclouded.errors import InputError
from unclouded.models.land_cover import ClassifierSettings, LandCover
from unclouded.models.observation import Observation
from unclouded.precision import autocast
from unclouded.progress import Progress, silent

_THRESHOLDS = np.arange(1, 100) / 100


class LabelledImages(Protocol):
    """A batch of images with labels (B, K) and names, such as `data.labelled.Labelled`."""

    @property
    def observation(self) -> Observation:
        """The images."""

    @property
    def labels(self) -> Tensor:
        """(B, K) 0 or 1."""

    @property
    def ids(self) -> list[str]:
        """Names of the images."""


class Predictions(NamedTuple):
    """Output of a classifier for N images.

    Attributes:
        probabilities: (N, K) of the classes.
        labels: (N, K) multi-hot.
        features: (N, D) float32.
        ids: names of the images.
    """

    probabilities: NDArray[np.float32]
    labels: NDArray[np.bool_]
    features: NDArray[np.float32]
    ids: list[str]


def predict(
    classifier: LandCover,
    batches: Iterable[LabelledImages],
    total: int,
    *,
    precision: str = "fp32",
    progress: Progress = silent,
) -> Predictions:
    """Classify images; the network is left in evaluation mode.

    Args:
        classifier: on the device of the images.
        batches: at least one.
        total: number of images, for `progress`.
        precision: of the convolutions, see `unclouded.precision`.
        progress: see `Progress`.

    Raises:
        InputError: images lack bands that the classifier needs, or features are not finite.
    """
    classifier.eval()
    parts: list[Predictions] = []
    done = 0
    with torch.inference_mode():
        for batch in batches:
            check_bands(classifier.settings, batch.observation.present, batch.ids)
            with autocast(batch.observation.optical.device, precision):
                features = classifier.features(batch.observation)
            probabilities = classifier.probabilities(classifier.classify(features))
            if not bool(torch.isfinite(features).all()):
                raise InputError(f"{batch.ids[0]} and its batch: features are not finite; look for NaN in the images.")
            part = Predictions(probabilities.cpu().numpy(), batch.labels.numpy() > 0, features.cpu().numpy(), batch.ids)
            parts.append(part)
            done += len(batch.ids)
            progress("classify", done, total)
    return Predictions(
        np.concatenate([part.probabilities for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.features for part in parts]),
        [name for part in parts for name in part.ids],
    )


def check_bands(settings: ClassifierSettings, present: Tensor, ids: list[str]) -> None:
    """Check that images with bands `present` (B, 13) have those of a classifier; one of them, if it takes subsets.

    Raises:
        InputError: naming the first image that does not, and the bands that it lacks.
    """
    needed = torch.zeros(len(NAMES))
    needed[[INDEX[band] for band in settings.bands]] = 1
    usable = present.cpu() * needed
    enough = usable.any(dim=1) if settings.subsets else (usable == needed).all(dim=1)
    if not bool(enough.all()):
        first = int(torch.nonzero(~enough)[0])
        lacking = ", ".join(band for band in settings.bands if not usable[first, INDEX[band]])
        raise InputError(
            f"{ids[first]}: lacks {lacking}, which the classifier looks at; give images with "
            + ("one of them" if settings.subsets else "these, or weights trained on subsets of the bands")
        )


def decide(probabilities: NDArray[np.float32], threshold: float, output: str) -> NDArray[np.bool_]:
    """Predicted classes (N, K): those whose probability reaches the threshold.

    For a softmax output the most probable class is always predicted, since every image has a label, and with many
    classes none may reach the threshold.
    """
    predicted = probabilities >= threshold
    if output == "softmax":
        predicted[np.arange(len(probabilities)), probabilities.argmax(axis=1)] = True
    return predicted


def choose_threshold(probabilities: NDArray[np.float32], labels: NDArray[np.bool_], output: str) -> float:
    """The threshold, 0.01 to 0.99, of `probabilities` (N, K) with the best F1 for `labels` (N, K).

    F1 is averaged over the images; of equally good thresholds the middle one is chosen.
    """
    scores = np.array([image_f1(decide(probabilities, t, output), labels) for t in _THRESHOLDS])
    best = np.flatnonzero(scores >= scores.max() - 1e-12)
    return float(_THRESHOLDS[best[len(best) // 2]])


def image_f1(predicted: NDArray[np.bool_], labels: NDArray[np.bool_]) -> float:
    """F1 of each image's predicted classes (N, K) against its labels, mean over the images; 0 without either."""
    hits = (predicted & labels).sum(axis=1)
    positives = predicted.sum(axis=1) + labels.sum(axis=1)
    return float((2 * hits / np.maximum(positives, 1)).mean())
