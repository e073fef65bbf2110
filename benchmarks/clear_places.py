"""How much of clear images of places all over the world stays untouched: deserts, silty rivers, snow-free fields.

    python benchmarks/clear_places.py [--weights default] [--data ../shared/data/places]

The images are those that scripts/gather_places.py gathers; those that settings/collection_places.yaml names were
trained on, and are told apart from the others. Where a place has several dates, their mean counts once.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from statistics import mean

import numpy as np
import rasterio
import yaml

from unclouded.models.weights import load_generator
from unclouded.scene.clear import clear_patch

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "places")
    given = parser.parse_args()
    named = yaml.safe_load((ROOT / "settings" / "collection_places.yaml").read_text())["places"]
    generator, _ = load_generator(given.weights)
    shares: dict[bool, dict[str, list[float]]] = {True: {}, False: {}}
    for path in sorted(given.data.glob("*.tif")):
        if path.stem in named["cloudy"]:
            continue
        with rasterio.open(path) as file:
            reflectance = file.read().astype(np.float32) / np.float32(10_000)
            bands, level = file.descriptions, file.tags()["level"]
        cleared, _, _ = clear_patch(reflectance, bands, level, generator.eval(), threshold=generator.threshold)
        share = float((cleared == reflectance).all(axis=0).mean())
        seen = path.stem in named["clear"]
        print(f"{path.stem:16} {level} {len(bands):2} bands  {share:7.2%}  {'trained on' if seen else ''}")
        shares[seen].setdefault(path.stem.split("_")[0], []).append(share)
    for seen, places in shares.items():
        if places:
            of_each = [mean(found) for found in places.values()]
            print(f"{'trained on' if seen else 'never trained on'}: {mean(of_each):.2%} of N = {len(of_each)} places")


if __name__ == "__main__":
    main()
