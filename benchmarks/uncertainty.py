"""How far the uncertainty tells the error, on the real pairs of `benchmarks/pairs.py` (places never trained on).

    python benchmarks/uncertainty.py [--weights default] [--data ../shared/data] [--samples 8] [--json FILE]

For the pixels that were changed: the rank correlation of uncertainty and error (RMS over the bands) per image, then
averaged; the mean of both in each quarter of the uncertainty; and the share of pixels whose error is within one and
two uncertainties (68 % and 95 % if errors were Gaussian and the uncertainty right). The clear images are of other days,
so that part of the error is not the network's.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from pairs import ROOT, load_pairs
from scipy.stats import spearmanr

from unclouded import bands
from unclouded.models.weights import load_generator
from unclouded.scene.clear import clear_patch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    generator, header = load_generator(given.weights)
    print(f"weights {header.name}, {header.steps} steps, SHA-256 {header.sha256[:16]}, {given.samples} samples")
    ranks, spreads, errors = [], [], []
    for pair in load_pairs(given.data, "validation"):
        how = {"samples": given.samples, "threshold": header.threshold}
        cleared, opacity, uncertainty = clear_patch(pair.cloudy, bands.L1C, "L1C", generator, **how)
        changed = opacity >= header.threshold
        if changed.sum() < 100:
            continue
        error = np.sqrt(np.square(np.clip(cleared, 0, 1) - np.clip(pair.clear, 0, 1)).mean(axis=0))
        spreads.append(uncertainty[changed])
        errors.append(error[changed])
        ranks.append(float(spearmanr(spreads[-1], errors[-1]).statistic))
        print(f"{pair.name:16s} rank correlation {ranks[-1]:6.2f}, opaque {np.mean(opacity):.2f}")
    spread, error = np.concatenate(spreads), np.concatenate(errors)
    quarter = np.searchsorted(np.quantile(spread, [0.25, 0.5, 0.75]), spread)
    figures = {
        "n": len(ranks),
        "pixels": len(spread),
        "rank_correlation": float(np.mean(ranks)),
        "uncertainty_by_quarter": [float(spread[quarter == q].mean()) for q in range(4)],
        "error_by_quarter": [float(error[quarter == q].mean()) for q in range(4)],
        "within_one": float((error <= spread).mean()),
        "within_two": float((error <= 2 * spread).mean()),
    }
    for name, value in figures.items():
        print(f"{name:24}{value}")
    if given.json:
        given.json.write_text(json.dumps({"weights": header.sha256, **figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
