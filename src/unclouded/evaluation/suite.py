"""Evaluation of a translator on a split of an archive, as one record.

Cloudy patches of domain X are translated with z = 0 and compared with clear ones of domain Y of the same split, in the
feature space of a land-cover classifier. For reference, the record has the same distances for the cloudy patches, for
other clear patches, and for the true ground under the clouds where it is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from unclouded.data.archive import Archive
from unclouded.data.samplers import Rows
from unclouded.evaluation.downstream import downstream_scores
from unclouded.evaluation.features import Extractor, Tensors
from unclouded.evaluation.records import EvaluationConfig, Record, TrainedNetwork
from unclouded.evaluation.set_distances import floor_of, inception_scores, label_distances, set_distances
from unclouded.evaluation.sets import Sets, draw
from unclouded.evaluation.twins import LEAST_FRACTION, Twins, named_means
from unclouded.models.generator import Generator, compose
from unclouded.models.land_cover import LandCover
from unclouded.models.observation import Observation
from unclouded.models.weights_header import Header
from unclouded.progress import Progress, silent


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
    """Evaluate a translator.

    Args:
        archive: open archive.
        translator: on `device`.
        land_cover: the classifier, on `device`.
        config: split, seed, repeats and so on.
        device: of the networks.
        cache: folder for features, see `features`.
        progress: see `Progress`.

    Returns:
        `translator`, `land_cover` and `archive` with checksums, `n`, `seed`; `distances` of each set to the clear one;
        `floor`; `inception`; `labels`: distances by class; `paired` and `downstream`, None unless the archive has the
        ground under the clouds; `notes`: warnings.

    Raises:
        InputError: the split lacks cloudy or clear patches or has fewer than two, the labels are not of the
            classifier's vocabulary, or images lack bands that it needs.
        FileError: the archive cannot be read, or the cache cannot be written to.
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
    distances = _distances(found, config, notes, progress)
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
        "floor": floor_of(found["clear"]["features"], config.seed),
        "inception": {
            name: inception_scores(tensors["probabilities"], land_cover.network.settings.output)
            for name, tensors in found.items()
        },
        "labels": label_distances(found, sets, labels, land_cover.network.settings.classes, config.least)
        if known
        else None,
        "paired": _paired(found, sets),
        "downstream": downstream_scores(found, sets, labels, land_cover, notes),
        "notes": notes,
    }
    progress("distances", len(distances), len(distances))
    return record


def translate(generator: Generator, x: Observation, threshold: float) -> Observation:
    """Clear patches (B) with z = 0; pixels with an opacity under `threshold` are not changed, as in `clear`."""
    z = x.optical.new_zeros(len(x.level), generator.settings.latent)
    translation = generator(x, z)
    kept = (translation.opacity < threshold) | (x.valid == 0)
    return x._replace(optical=torch.where(kept, x.optical, compose(x.optical, translation)))


def _extract(extract: Extractor, sets: Sets, translator: TrainedNetwork[Generator]) -> dict[str, Tensors]:
    """Features of all sets; for cloudy and cleared patches also `paired`, their errors against their twins."""
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


def _distances(found: Mapping[str, Tensors], config: EvaluationConfig, notes: list[str], progress: Progress) -> Record:
    """Distances of each set to the clear one, by its name; adds to `notes`."""
    distances: Record = {}
    compared = [name for name in found if name != "clear"]
    for place, name in enumerate(compared):
        progress("distances", place, len(compared))
        distances[name] = set_distances(found["clear"]["features"], found[name]["features"], config, name, notes)
    return distances


def _paired(found: Mapping[str, Tensors], sets: Sets) -> Record | None:
    """Errors of the cloudy and the cleared patches against the true ground; None if it is not known."""
    paired = sets.twins >= 0
    if not paired.any():
        return None
    means = {name: named_means(found[name]["paired"][paired]) for name in ("cloudy", "cleared")}
    return {"n": int(paired.sum()), "least_fraction": LEAST_FRACTION} | means


def _described(header: Header) -> Record:
    return {"name": header.name, "sha256": header.sha256, "steps": header.steps, "threshold": header.threshold}
