"""Effect of clouds and clearing on a land-cover classifier, where the ground under the clouds is known."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import InputError
from unclouded.evaluation.features import Tensors
from unclouded.evaluation.land_cover import decide
from unclouded.evaluation.land_cover_scores import score
from unclouded.evaluation.records import Record, TrainedNetwork
from unclouded.evaluation.sets import Sets
from unclouded.models.land_cover import LandCover


def downstream_scores(
    found: Mapping[str, Tensors],
    sets: Sets,
    labels: NDArray[np.bool_],
    land_cover: TrainedNetwork[LandCover],
    notes: list[str],
) -> Record | None:
    """The classifier's F1 on clear, cloudy and cleared images of the same places, and the share of the loss recovered.

    The share is (cleared - cloudy) / (clear - cloudy): 1 if F1 is that of clear images, negative if clearing makes it
    worse, NaN if clouds do not reduce it.
    """
    paired = sets.twins >= 0
    if "truth" not in found:
        return None
    names = land_cover.network.settings.classes
    # A cloudy image and its twin show the same ground, so the labels of either hold for both.
    truth = labels[sets.cloudy[paired]] | labels[sets.twins[paired]]
    labelled = truth.any(axis=1)
    probabilities = {
        "clear": found["truth"]["probabilities"],
        "cloudy": found["cloudy"]["probabilities"][paired],
        "cleared": found["cleared"]["probabilities"][paired],
    }
    output, threshold = land_cover.network.settings.output, land_cover.header.threshold
    try:
        scores = {
            name: score(decide(p[labelled], threshold, output), truth[labelled], names)
            for name, p in probabilities.items()
        }
    except InputError as error:
        notes.append(f"downstream: not measured ({error})")
        return None
    record: Record = {"n": int(labelled.sum()), "threshold": threshold}
    for average in ("samples", "micro", "macro"):
        f1 = {name: float(getattr(scores[name], average)["f1"]) for name in probabilities}
        lost = f1["clear"] - f1["cloudy"]
        record[average] = f1 | {"won_back": (f1["cleared"] - f1["cloudy"]) / lost if lost > 0 else math.nan}
    return record
