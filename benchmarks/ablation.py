"""What each part of the method is worth: one table on held-out real places, each switch a row.

    python benchmarks/ablation.py RUNS --archive SIM [--steps 1000] [--batch 2] [--seeds 2] [--data ../shared/data]
                                  [--patches 150] [--rows NAME ...] [--table FILE.md] [--json FILE]

Every trained row is learnt from scratch by settings/default.yaml, from the same real images (settings/collection.yaml)
for the same number of steps; rows differ in the settings that stand beside them in `ROWS` and in nothing else. Finished
runs and measurements in RUNS are kept, so that a killed benchmark goes on, and more `--seeds` can be added; other
`--steps` need other RUNS. `--rows` trains and measures only some of the rows.

Two sets are measured. The real pairs of `benchmarks/pairs.py`, of places never trained on: paired errors, and in
quarters of 128 pixels the distances to the quarters of the clear images in the features of the bundled classifier,
all at the same N. The simulated test split of `--archive`, whose truth and labels are known: the share of the
classifier's F1 that is won back, and the error on shadowed pixels.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from comparison import DATA, ROOT
from numpy.typing import NDArray
from pairs import Pair, cloud_masks, load_pairs

from unclouded import bands
from unclouded.clearing.options import ClearOptions
from unclouded.clearing.patch import clear_patch
from unclouded.data.archive import Archive
from unclouded.evaluation.fills import mean_fill, smooth_fill
from unclouded.evaluation.frechet import bootstrap, floor, frechet_distance
from unclouded.evaluation.inception_score import multi_label_inception_score
from unclouded.evaluation.neighbours import neighbourhood
from unclouded.evaluation.paired import INDICES, average, compare, normalised_difference
from unclouded.evaluation.records import EvaluationConfig, TrainedNetwork
from unclouded.evaluation.suite import evaluate
from unclouded.models.observation import Observation
from unclouded.models.weights import load_generator, load_land_cover
from unclouded.settings import TranslatorSettings, load_settings
from unclouded.training.translator_run import run

SIDE, SAMPLES, SIGMAS = 128, 8, 1.645
BUNDLED = "bundled default"
_WEAK = ["loss.adversarial=0.1", "loss.latent_adversarial=0.1", "loss.cycle=0.1", "loss.latent_cycle=0.0025"]
ROWS: dict[str, list[str]] = {
    "simulated clouds": [],
    "without radar": ["training.radar=false"],
    "without cover as input": ["model.cover=false"],
    "with both cycles": [*_WEAK, "unpaired.start={half}"],
}
"""What is changed in `default.yaml`. The published objectives are measured by `paper_discussion.py`."""

Clear = Callable[[Pair, NDArray[np.bool_]], tuple[NDArray[np.float32], NDArray[np.float32] | None]]
"""Gives the cleared image (13, H, W) of a pair and its uncertainty (H, W), if there is one, from the pair and mask."""


def settings_of(row: str, steps: int, batch: int, seed: int) -> TranslatorSettings:
    length = [f"training.steps={steps}", f"training.checkpoint_every={-(-steps // 4)}", f"training.seed={seed}"]
    common = [f"training.collection={ROOT / 'settings' / 'collection.yaml'}", f"unpaired.batch={batch}"]
    warm = [f"training.warmup={steps // 10}", f"unpaired.pool={2 * batch}"]
    # The heads learn from a sixth of the images that those of the bundled weights learn from.
    heads = ["error.images=400", "ground_prior.images=1200"]
    changes = [change.format(half=steps // 2) for change in (*length, *common, *warm, *heads, *ROWS[row])]
    return load_settings(ROOT / "settings" / "default.yaml", changes)


def trained(row: str, arguments: argparse.Namespace, seed: int) -> Path:
    """Train until the last step, from where an earlier run stopped; return the weights."""
    settings = settings_of(row, arguments.steps, arguments.batch, seed)
    folder = arguments.runs / f"{''.join(c if c.isalnum() else '_' for c in row)}_{seed}"
    log = folder / "log.jsonl"
    entries = log.read_text().splitlines() if log.exists() else []
    if not entries or json.loads(entries[-1])["step"] < settings.training.steps:
        print(f"training: {row}, seed {seed}", flush=True)
        run(settings, arguments.data, folder, resume=(folder / "checkpoint.pt").exists())
    return folder / "weights.safetensors"


class Bench:
    """The held-out images, with what every row is compared with computed once."""

    def __init__(self, data: Path, archive: Archive, patches: int) -> None:
        self.pairs = list(load_pairs(data, "validation"))
        self.masks = cloud_masks([pair.cloudy for pair in self.pairs])
        self.land_cover = TrainedNetwork(*load_land_cover("land-cover"))
        self.archive, self.patches = archive, patches
        self.truth = self.features([pair.clear for pair in self.pairs])[0]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            self.floor = floor(self.truth, seed=0)

    def features(self, images: list[NDArray[np.float32]]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Features and probabilities of the quarters of images (13, H, W)."""
        present = torch.tensor([[float(name in bands.L2A) for name in bands.NAMES]])
        found = []
        with torch.inference_mode():
            for image in images:
                cut = torch.from_numpy(image).unfold(1, SIDE, SIDE).unfold(2, SIDE, SIDE)
                quarters = cut.permute(1, 2, 0, 3, 4).reshape(-1, len(bands.NAMES), SIDE, SIDE)
                shown = present.expand(len(quarters), -1)
                x = Observation.of(quarters * shown[:, :, None, None], shown, torch.zeros(len(quarters)))
                found.append(self.land_cover.network.features(x))
            features = torch.cat(found)
            return features.numpy(), self.land_cover.network.classify(features).softmax(1).double().numpy()

    def real(self, clear: Clear) -> dict[str, float]:
        """Measure what `clear` makes of the real pairs."""
        made, errors, index, inside = [], [], [], []
        for pair, mask in zip(self.pairs, self.masks, strict=True):
            image, spread = clear(pair, mask)
            made.append(image)
            errors.append(compare(image, pair.clear, mask))
            ndvi = [
                normalised_difference(*np.clip(one[[bands.INDEX[n] for n in INDICES["ndvi"]]], 0, 1).astype(np.float64))
                for one in (image, pair.clear)
            ]
            index.append(float(np.abs(ndvi[0] - ndvi[1])[mask].mean()))
            if spread is not None:
                error = np.abs(np.clip(image, 0, 1) - np.clip(pair.clear, 0, 1))[:, mask]
                inside.append(float((error <= SIGMAS * spread[mask]).mean()))
        features, probabilities = self.features(made)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            distance, low, high = bootstrap(self.truth, features, repeats=50, seed=0)
            distance = frechet_distance(self.truth, features)
        near = neighbourhood(self.truth, features, k=5)
        mean = asdict(average(errors))
        return {
            "frechet": distance,
            "low": low,
            "high": high,
            "precision": near.precision,
            "recall": near.recall,
            "coverage": near.coverage,
            "inception": multi_label_inception_score(probabilities),
            **{name: mean[name] for name in ("psnr", "ssim", "angle", "cloudy")},
            "ndvi": float(np.mean(index)),
            "interval": float(np.mean(inside)) if inside else float("nan"),
        }

    def simulated(self, weights: str | Path) -> dict[str, float]:
        """Measure weights on the simulated test split."""
        config = EvaluationConfig(split="test", limit=self.patches, repeats=0)
        record = evaluate(self.archive, TrainedNetwork(*load_generator(weights)), self.land_cover, config)
        errors = record["paired"]
        return {
            "shadow": errors["cleared"]["regions"]["shadow"]["mae"],
            "shadow_before": errors["cloudy"]["regions"]["shadow"]["mae"],
            "won_back": record["downstream"]["samples"]["won_back"],
            "n_simulated": record["n"],
        }

    def weights(self, weights: str | Path) -> dict[str, float]:
        """Measure weights on both sets."""
        generator, header = load_generator(weights)
        # The factor that the settings name was found for the bundled weights.
        calibration = 1.0 if weights == "default" else header.calibration

        def clear(pair: Pair, mask: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
            radar = pair.radar if header.settings["training"].get("radar", True) else None
            scene = pair.cloudy, bands.L1C, "L1C", generator
            typical = clear_patch(*scene, ClearOptions(precision="fp32"), radar=radar)[0]
            drawn = ClearOptions(precision="fp32", samples=SAMPLES)
            return typical, clear_patch(*scene, drawn, radar=radar)[2] / calibration

        return self.real(clear) | self.simulated(weights)


def kept(path: Path, measure: Callable[[], dict[str, float]]) -> dict[str, float]:
    """What was measured before, or is measured now."""
    if not path.exists():
        path.write_text(json.dumps(measure()) + "\n")
    found: dict[str, float] = json.loads(path.read_text())
    return found


COLUMNS = {
    "frechet": ("FD", 1),
    "precision": ("precision", 2),
    "recall": ("recall", 2),
    "coverage": ("coverage", 2),
    "inception": ("inception", 2),
    "psnr": ("PSNR", 2),
    "ssim": ("SSIM", 3),
    "angle": ("angle", 2),
    "cloudy": ("cloudy", 4),
    "ndvi": ("NDVI", 3),
    "interval": ("90 % holds", 2),
    "shadow": ("shadow (sim.)", 4),
    "won_back": ("F1 won back (sim.)", 2),
}


def table(rows: dict[str, list[dict[str, float]]]) -> str:
    """A Markdown table: means over the seeds, with their half range where there are several."""
    lines = ["| | " + " | ".join(title for title, _ in COLUMNS.values()) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for row, seeds in rows.items():
        cells = []
        for name, (_, digits) in COLUMNS.items():
            values = [seed[name] for seed in seeds if np.isfinite(seed.get(name, np.nan))]
            cell = f"{np.mean(values):.{digits}f}" if values else ""
            if name == "frechet" and len(seeds) == 1:
                cell += f" ({seeds[0]['low']:.0f} to {seeds[0]['high']:.0f})"
            if len(values) > 1:
                cell += f" ± {(max(values) - min(values)) / 2:.{digits}f}"
            cells.append(cell)
        lines.append(f"| {row} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--archive", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--patches", type=int, default=150)
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS), metavar="NAME")
    parser.add_argument("--table", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    args.runs.mkdir(parents=True, exist_ok=True)
    rows: dict[str, list[dict[str, float]]] = {}
    with Archive(args.archive) as archive:
        bench = Bench(args.data, archive, args.patches)
        fills: dict[str, Clear] = {
            "nothing": lambda pair, mask: (pair.cloudy, None),
            "mask and mean fill": lambda pair, mask: (mean_fill(pair.cloudy, mask), None),
            "mask and smooth fill": lambda pair, mask: (smooth_fill(pair.cloudy, mask), None),
        }
        for name, fill in fills.items():
            rows[name] = [bench.real(fill)]
        rows[BUNDLED] = [kept(args.runs / "bundled.json", lambda: bench.weights("default"))]
        for seed in range(args.seeds):
            for row in args.rows:
                weights = trained(row, args, seed)
                measured = kept(weights.with_name("measured.json"), lambda path=weights: bench.weights(path))
                rows.setdefault(row, []).append(measured)
                print(table({row: rows[row]}), flush=True)
    n = len(bench.truth)
    head = (
        f"{args.steps} steps of 4 simulated images; with cycles {args.batch} of each domain besides. FD: N = {n} "
        f"quarters of {len(bench.pairs)} real pairs, floor {bench.floor:.1f} (N = {n // 2}); in brackets the 95 % "
        f"interval by bootstrap; ± half the range of {args.seeds} seeds. Simulated: N = {args.patches}."
    )
    made = f"{head}\n\n{table(rows)}\n"
    print(f"\n{made}")
    if args.table:
        args.table.write_text(made)
    if args.json:
        args.json.write_text(json.dumps({"n": n, "floor": bench.floor, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
