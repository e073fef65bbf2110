"""Everything that is measured of a translator on an archive's split, as one record.

Cloudy patches of domain X are translated with z = 0 and set against clear ones of domain Y of the same split, in the
features of a land-cover classifier. Beside that stand what the numbers are to be read by: the same distances of
the cloudy patches as they are, of other clear patches, and of the true ground under the clouds where it is known.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from unclouded.data.archive import Archive
from unclouded.data.samplers import Rows
from unclouded.errors import InputError
from unclouded.evaluation.features import Extractor, Tensors
from unclouded.evaluation.frechet import bootstrap, by_label, extrapolate, floor, frechet_distance
from unclouded.evaluation.inception_score import highest_score, inception_score, multi_label_inception_score
from unclouded.evaluation.land_cover import decide
from unclouded.evaluation.land_cover_scores import score
from unclouded.evaluation.neighbours import kernel_distance, neighbourhood
from unclouded.evaluation.sets import Sets, draw
from unclouded.evaluation.twins import LEAST_FRACTION, Twins, nested
from unclouded.models.generator import Generator, compose
from unclouded.models.land_cover import LandCover
from unclouded.models.observation import Observation
from unclouded.models.weights import Header
from unclouded.progress import Progress, silent

Record = dict[str, Any]
Network = TypeVar("Network", Generator, LandCover)

_NEIGHBOURS = 5
_KERNEL_SUBSETS, _KERNEL_SIZE = 100, 1000


class TrainedNetwork(NamedTuple, Generic[Network]):
    """A network on its device, and the header of its weights."""

    network: Network
    header: Header


@dataclass(frozen=True)
class EvaluationConfig:
    """How a translator is measured.

    Attributes:
        split: of the archive: "train", "validation" or "test".
        limit: so many patches of each domain at most.
        seed: of what is drawn: patches, halves, subsets, bootstrap.
        repeats: drawings for an interval; none gives none.
        least: images of a label, in both sets, from which its own distance is given.
        batch: patches that the networks take at once.
    """

    split: str = "validation"
    limit: int | None = None
    seed: int = 0
    repeats: int = 100
    least: int = 50
    batch: int = 32


def evaluate(
    archive: Archive,
    translator: TrainedNetwork[Generator],
    land_cover: TrainedNetwork[LandCover],
    config: EvaluationConfig | None = None,
    *,
    device: str = "cpu",
    cache: Path | None = None,
    progress: Progress = silent,
) -> Record:
    """Measure a translator.

    Args:
        archive: open archive.
        translator: on `device`.
        land_cover: the classifier, on `device`.
        config: split, seed, repeats and the like; the defaults unless given.
        device: where the networks run.
        cache: folder for features; see `features`.
        progress: told how far it is.

    Returns:
        `translator`, `land_cover`, `archive` (what was measured, with checksums), `n`, `seed`; `distances` of each set
        to the clear one; `floor`; `inception`; `labels`: distances by class; `paired` and `downstream`, null unless
        the archive knows the ground under the clouds; `notes`: what to beware of.

    Raises:
        InputError: the split lacks cloudy or clear patches or has fewer than two, the labels are not of the
            classifier's vocabulary, or images lack bands that it looks at.
        FileError: the archive cannot be read, or the cache not be written to.
    """
    config = config or EvaluationConfig()
    sets = draw(archive, config.split, limit=config.limit, seed=config.seed)
    extract = Extractor(
        archive,
        land_cover.network,
        land_cover.header.sha256,
        batch=config.batch,
        device=device,
        cache=cache,
        progress=progress,
    )
    found = _extract(extract, sets, translator)
    notes: list[str] = []
    distances: Record = {}
    compared = [name for name in found if name != "clear"]
    for place, name in enumerate(compared):
        progress("distances", place, len(compared))
        distances[name] = _distances(found["clear"]["features"], found[name]["features"], config, name, notes)
    labels = extract.reader.labels
    known = labels[sets.cloudy].any() and labels[sets.clear].any()
    record: Record = {
        "translator": _described(translator.header),
        "land_cover": _described(land_cover.header),
        "archive": {"sha256": extract.archive_sha256, "split": config.split, "limit": config.limit},
        "n": len(sets.cloudy),
        "seed": config.seed,
        "repeats": config.repeats,
        "distances": distances,
        "floor": _floor(found["clear"]["features"], config.seed),
        "inception": {
            name: _inception(tensors["probabilities"], land_cover.network.settings.output)
            for name, tensors in found.items()
        },
        "labels": _by_label(found, sets, labels, land_cover.network.settings.classes, config.least) if known else None,
        "paired": _paired(found, sets),
        "downstream": _downstream(found, sets, labels, land_cover, notes),
        "notes": notes,
    }
    progress("distances", len(compared), len(compared))
    return record


def translate(generator: Generator, x: Observation, threshold: float) -> Observation:
    """Clear patches (B) with z = 0; pixels with an opacity under `threshold` stay as they are, as `clear` leaves them.

    Gradients flow where they are asked for.
    """
    z = x.optical.new_zeros(len(x.level), generator.settings.latent)
    translation = generator(x, z)
    kept = (translation.opacity < threshold) | (x.valid == 0)
    return x._replace(optical=torch.where(kept, x.optical, compose(x.optical, translation)))


def _extract(extract: Extractor, sets: Sets, translator: TrainedNetwork[Generator]) -> dict[str, Tensors]:
    """Features of all sets; of cloudy and cleared patches also `paired`, their errors against their twins."""
    twins = Twins(extract.archive, extract.reader, sets.cloudy, sets.twins)
    generator, header = translator

    def keep(x: Observation, rows: Rows) -> tuple[Observation, Tensors]:
        return x, {"paired": twins.compare(x, rows)}

    def clear(x: Observation, rows: Rows) -> tuple[Observation, Tensors]:
        return keep(translate(generator, x, header.threshold), rows)

    compared = {"compared": "with their clear twins"}
    cleared = compared | {"translator": header.sha256, "threshold": header.threshold, "z": 0}
    found = {
        "cleared": extract(sets.cloudy, "translate", done=cleared, change=clear),
        "cloudy": extract(sets.cloudy, "cloudy", done=compared, change=keep),
    }
    plain = {"truth": sets.twins[sets.twins >= 0], "same": sets.same, "other": sets.other, "clear": sets.clear}
    return found | {name: extract(rows, name) for name, rows in plain.items() if len(rows) >= 2}


def _distances(
    real: NDArray[np.float32], made: NDArray[np.float32], config: EvaluationConfig, name: str, notes: list[str]
) -> Record:
    """All distances of a set to the clear one, both cut to the same N."""
    n = min(len(real), len(made))
    real, made = real[:n], made[:n]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        distance = frechet_distance(real, made)
    notes.extend(f"{name}: {text}" for text in dict.fromkeys(str(warning.message) for warning in caught))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        low, high = (
            bootstrap(real, made, repeats=config.repeats, seed=config.seed)[1:] if config.repeats else (math.nan,) * 2
        )
        limit = extrapolate(real, made, seed=config.seed) if n >= 4 else math.nan
    # A subset that is the whole set would give the same again and again.
    size = max(2, min(_KERNEL_SIZE, n // 2))
    kernel = kernel_distance(real, made, subsets=_KERNEL_SUBSETS, size=size, seed=config.seed)
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
        **neighbourhood(real, made, k=k)._asdict(),
        "k": k,
    }


def _floor(clear: NDArray[np.float32], seed: int) -> Record | None:
    if len(clear) < 4:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return {"n": len(clear) // 2, "frechet": floor(clear, seed=seed)}


def _inception(probabilities: NDArray[np.float32], output: str) -> Record:
    # A softmax in float32 may exceed 1 by rounding.
    p = np.clip(probabilities.astype(np.float64), 0, 1)
    softmax = {"softmax": inception_score(p)} if output == "softmax" else {}
    return {"n": len(p), "multi_label": multi_label_inception_score(p), "highest": highest_score(p)} | softmax


def _by_label(
    found: Mapping[str, Tensors], sets: Sets, labels: NDArray[np.bool_], classes: tuple[str, ...], least: int
) -> Record:
    """Distances between the images that bear a class, with the N of either set; the smaller settles the bias."""
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


def _paired(found: Mapping[str, Tensors], sets: Sets) -> Record | None:
    """Errors against the ground under the clouds: of the cloudy patches, and of what the translator made of them."""
    there = sets.twins >= 0
    if not there.any():
        return None
    means = {name: nested(found[name]["paired"][there]) for name in ("cloudy", "cleared")}
    return {"n": int(there.sum()), "least_fraction": LEAST_FRACTION} | means


def _downstream(
    found: Mapping[str, Tensors],
    sets: Sets,
    labels: NDArray[np.bool_],
    land_cover: TrainedNetwork[LandCover],
    notes: list[str],
) -> Record | None:
    """The classifier's F1 on clear, cloudy and cleared images of the same places, and the share of the loss won back.

    The share is (cleared - cloudy) / (clear - cloudy): 1 if nothing is lost any more, negative if clearing does harm,
    NaN if clouds cost nothing.
    """
    there = sets.twins >= 0
    if "truth" not in found:
        return None
    names = land_cover.network.settings.classes
    # Cloud and twin show the same ground: labels of either are labels of both.
    truth = labels[sets.cloudy[there]] | labels[sets.twins[there]]
    labelled = truth.any(axis=1)
    probabilities = {
        "clear": found["truth"]["probabilities"],
        "cloudy": found["cloudy"]["probabilities"][there],
        "cleared": found["cleared"]["probabilities"][there],
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


def _described(header: Header) -> Record:
    return {"name": header.name, "sha256": header.sha256, "steps": header.steps, "threshold": header.threshold}
