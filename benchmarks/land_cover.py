"""The paper's first table on an archive: ResNet-18 by its rule, what each part of the rule does, and S-CNN-All.

    python benchmarks/land_cover.py ARCHIVE RUNS [--steps 600] [--batch 64] [--seeds 3] [--validate-every 300]
                                    [--table-1] [--real ARCHIVE] [--json FILE]

Every row is trained with every seed on the archive's training split for the same number of steps, with
the settings of `settings/`, and measured on the whole test split; scores are those of the paper, per image, then
averaged. The weights are those of the best validation. Which classes count as predicted is decided in three ways, the
same for all rows: by the threshold that the settings say, by the one with the best F1 on the validation split, and by
0.5. `--table-1` trains the paper's two classifiers alone, and prints what each validation found, by which one sees
whether they were at their end. A finished run in RUNS is not trained again, so that a killed benchmark goes on.
`--real` measures the same weights on the test split of another archive, such as one of the real patches.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from unclouded.data.archive import Archive
from unclouded.data.labelled import LabelledPatches, checksum
from unclouded.data.observations import Augmentation
from unclouded.evaluation.labels import average_precision
from unclouded.evaluation.land_cover import Predictions, choose_threshold, decide, predict
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
VALIDATION_PATCHES = 2000
OWN, CHOSEN, HALF = "threshold of the settings", "threshold of the best F1 on validation", "threshold 0.5"


def settings_of(row: str, steps: int, batch: int, seed: int, validate_every: int) -> LandCoverSettings:
    name, overrides = ROWS[row]
    length = [
        f"training.steps={steps}",
        f"training.batch={batch}",
        f"training.validate_every={validate_every}",
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
    augmented = Augmentation(flip_rotate=config.flip_rotate, drop_bands=config.drop_bands, drop_guides=1.0)
    data = Data(
        LabelledPatches(archive, "train", augmentation=augmented, **common),
        LabelledPatches(archive, "validation", limit=config.validation_patches, **common),
        checksum(path),
    )
    return train(settings, data, run, resume=(run / "checkpoint.pt").exists())


def measure(weights: Path, archive: Archive, validation: Archive) -> dict[str, dict[str, float]]:
    """Scores of weights on the test split of an archive, by each way to choose the threshold."""
    classifier, header = load_land_cover(weights)
    names, output = classifier.settings.classes, classifier.settings.output

    def predicted(of: Archive, split: str, limit: int | None = None) -> Predictions:
        patches = LabelledPatches(of, split, classes=len(names), limit=limit)
        return predict(classifier, patches.in_order(), len(patches))

    seen, made = predicted(validation, "validation", VALIDATION_PATCHES), predicted(archive, "test")
    thresholds = {
        OWN: header.threshold,
        CHOSEN: choose_threshold(seen.probabilities, seen.labels, output),
        HALF: 0.5,
    }
    found = {}
    for title, threshold in thresholds.items():
        decided = decide(made.probabilities, threshold, output)
        scores = score(decided, made.labels, names)
        found[title] = scores.samples | {
            "predicted": float(decided.sum(axis=1).mean()),
            "labels": float(made.labels.sum(axis=1).mean()),
            "macro_f1": scores.macro["f1"],
            "map": average_precision(made.probabilities, made.labels).macro,
            "threshold": threshold,
            "n": scores.images,
        }
    return found


def print_table(title: str, found: dict[str, list[dict[str, float]]]) -> None:
    columns = (*SCORES, "macro_f1", "map", "threshold", "predicted", "labels")
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


def print_validations(runs: Path, rows: Iterable[str], seeds: int) -> None:
    print("\nF1 on the validation split, at each validation of each seed")
    for row in rows:
        for seed in range(seeds):
            entries = map(json.loads, (folder(runs, row, seed) / "log.jsonl").read_text().splitlines())
            print(f"{row}, {seed}: " + ", ".join(f"{entry['step']} {entry['f1']:.3f}" for entry in entries))


def folder(runs: Path, row: str, seed: int) -> Path:
    return runs / f"{''.join(letter if letter.isalnum() else '_' for letter in row)}_{seed}"


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
    parser.add_argument("--validate-every", type=int, default=300)
    parser.add_argument("--table-1", action="store_true")
    parser.add_argument("--real", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    print(f"{args.archive}, {args.steps} steps of {args.batch} patches a run, {torch.get_num_threads()} threads")
    found: dict[str, dict[str, list[dict[str, float]]]] = {}
    paths = {"archive": args.archive} | ({"real": args.real} if args.real else {})
    archives = {title: Archive(path) for title, path in paths.items()}
    rows = (OURS, THEIRS) if args.table_1 else tuple(ROWS)
    # Seed by seed, so that a benchmark that is stopped early has every row.
    for seed in range(args.seeds):
        for row in rows:
            settings = settings_of(row, args.steps, args.batch, seed, args.validate_every)
            weights = train_row(archives["archive"], args.archive, settings, folder(args.runs, row, seed))
            for title, archive in archives.items():
                for way, scores in measure(weights, archive, archives["archive"]).items():
                    found.setdefault(f"{paths[title]}, {way}", {}).setdefault(row, []).append(scores)
        for title, rows_found in found.items():
            print_table(title, rows_found)
    if args.table_1:
        print_validations(args.runs, rows, args.seeds)
    if args.json:
        sums = {title: checksum(path) for title, path in paths.items()}
        args.json.write_text(
            json.dumps({"steps": args.steps, "batch": args.batch, "sha256": sums, "rows": found}, indent=1) + "\n"
        )


if __name__ == "__main__":
    main()
