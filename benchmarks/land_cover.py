"""The paper's first table on an archive: ResNet-18 by its rule, what each part of the rule does, and S-CNN-All.

    python benchmarks/land_cover.py ARCHIVE RUNS [--steps 600] [--batch 64] [--seeds 3] [--real ARCHIVE] [--json FILE]

Every row is trained with every seed on the archive's training split for the same number of steps, with
the settings of `settings/`, and measured on the whole test split; scores are those of the paper, per image, then
averaged. A finished run in RUNS is not trained again, so that a killed benchmark goes on. `--real` measures the same
weights on the test split of another archive, such as one of the real patches.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from unclouded.data.archive import Archive
from unclouded.data.labelled import LabelledPatches, checksum
from unclouded.data.observations import Augmentation
from unclouded.evaluation.labels import average_precision
from unclouded.evaluation.land_cover import decide, predict
from unclouded.evaluation.land_cover_scores import PAPER, SCORES, score
from unclouded.models.weights import load_land_cover
from unclouded.settings import LandCoverSettings, load_settings_of
from unclouded.training.land_cover import Data, train

ROOT = Path(__file__).resolve().parents[1]
ROWS: dict[str, tuple[str, list[str]]] = {
    "ResNet-18, softmax, single labels": ("land_cover.yaml", []),
    "ResNet-18, softmax, all labels": ("land_cover.yaml", ["label_reduction=0"]),
    "ResNet-18, sigmoid, single labels": ("land_cover.yaml", ["output=sigmoid"]),
    "ResNet-18, sigmoid, all labels": ("land_cover.yaml", ["output=sigmoid", "label_reduction=0"]),
    "S-CNN-All": ("s_cnn_all.yaml", []),
}
OURS, THEIRS = "ResNet-18, softmax, single labels", "S-CNN-All"
VALIDATIONS = 2
VALIDATION_PATCHES = 2000


def settings_of(row: str, steps: int, batch: int, seed: int) -> LandCoverSettings:
    name, overrides = ROWS[row]
    length = [
        f"training.steps={steps}",
        f"training.batch={batch}",
        f"training.validate_every={-(-steps // VALIDATIONS)}",
    ]
    more = [f"training.validation_patches={VALIDATION_PATCHES}", "training.patience=0", f"training.seed={seed}"]
    return load_settings_of(LandCoverSettings, ROOT / "settings" / name, [*overrides, *length, *more])


def train_row(archive: Archive, path: Path, settings: LandCoverSettings, run: Path) -> Path:
    """Train until the last step, from where an earlier run stopped; return the weights."""
    config = settings.training
    log = run / "log.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    if lines and json.loads(lines[-1])["step"] == config.steps:
        return run / "weights.safetensors"
    common = {"classes": settings.classes, "batch": config.batch, "seed": config.seed}
    varied = Augmentation(flip_rotate=config.flip_rotate, drop_bands=config.drop_bands, drop_guides=1.0)
    data = Data(
        LabelledPatches(archive, "train", augmentation=varied, **common),
        LabelledPatches(archive, "validation", limit=config.validation_patches, **common),
        checksum(path),
    )
    return train(settings, data, run, resume=(run / "checkpoint.pt").exists())


def measure(weights: Path, archive: Archive) -> dict[str, float]:
    """Scores of weights on the test split, at the threshold in their header."""
    classifier, header = load_land_cover(weights)
    names = classifier.settings.classes
    patches = LabelledPatches(archive, "test", classes=len(names))
    made = predict(classifier, patches.in_order(), len(patches))
    found = score(decide(made.probabilities, header.threshold, classifier.settings.output), made.labels, names)
    return found.samples | {
        "micro_f1": found.micro["f1"],
        "macro_f1": found.macro["f1"],
        "map": average_precision(made.probabilities, made.labels).macro,
        "threshold": header.threshold,
        "n": found.images,
    }


def print_table(title: str, found: dict[str, list[dict[str, float]]]) -> None:
    columns = (*SCORES, "micro_f1", "macro_f1", "map", "threshold")
    first = next(iter(found.values()))
    print(f"\n{title}: N = {first[0]['n']} test patches, mean ± standard deviation over {len(first)} seeds")
    print(f"{'':36s}" + "".join(f"{name:>15s}" for name in columns))
    for row, runs in found.items():
        cells = [values(runs, name) for name in columns]
        print(f"{row:36s}" + "".join(f"{cell.mean():8.3f} ±{deviation(cell):5.3f}" for cell in cells))
    for name in ("f1", "precision"):
        gaps = values(found[OURS], name) - values(found[THEIRS], name)
        paper = PAPER["ResNet-18"][name] - PAPER["S-CNN-All"][name]
        each = ", ".join(f"{gap:+.3f}" for gap in gaps)
        print(f"{OURS} above {THEIRS} in {name}: {gaps.mean():+.3f} (by seed {each}; paper {paper:+.2f})")


def values(runs: list[dict[str, float]], name: str) -> NDArray[np.float64]:
    return np.array([run[name] for run in runs])


def deviation(cell: NDArray[np.float64]) -> float:
    return float(cell.std(ddof=1)) if len(cell) > 1 else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("archive", type=Path)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--real", type=Path)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    print(f"{given.archive}, {given.steps} steps of {given.batch} patches a run, {torch.get_num_threads()} threads")
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    paths = {"archive": given.archive} | ({"real": given.real} if given.real else {})
    archives = {title: Archive(path) for title, path in paths.items()}
    # Seed by seed, so that a benchmark that is stopped early has every row.
    for seed in range(given.seeds):
        for row in ROWS:
            name = "".join(letter if letter.isalnum() else "_" for letter in row)
            settings = settings_of(row, given.steps, given.batch, seed)
            weights = train_row(archives["archive"], given.archive, settings, given.runs / f"{name}_{seed}")
            for title, archive in archives.items():
                found.setdefault(title, {}).setdefault(row, []).append(measure(weights, archive))
        for title, rows in found.items():
            print_table(str(paths[title]), rows)
    if given.json:
        sums = {title: checksum(path) for title, path in paths.items()}
        given.json.write_text(
            json.dumps({"steps": given.steps, "batch": given.batch, "sha256": sums, "rows": found}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
