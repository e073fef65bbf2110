"""How much of clear images of places all over the world stays untouched: deserts, silty rivers, snow-free fields.

    python benchmarks/clear_places.py [--weights default] [--data ../shared/data/places]

The images are those that scripts/gather_places.py gathers. The bundled weights were trained on none of them; others may
have been, by settings/collection_places.yaml. Where a place has several dates, their mean counts once.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from statistics import mean

import numpy as np
import rasterio
import yaml
from rasterio.errors import NotGeoreferencedWarning

from unclouded.clearing.options import ClearOptions
from unclouded.clearing.patch import clear_patch
from unclouded.models.weights import load_generator

ROOT = Path(__file__).resolve().parents[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--data", type=Path, default=ROOT.parent / "shared" / "data" / "places")
    args = parser.parse_args()
    warnings.simplefilter("ignore", NotGeoreferencedWarning)  # none of them says where it lies
    cloudy = yaml.safe_load((ROOT / "settings" / "collection_places.yaml").read_text())["places"]["cloudy"]
    generator, header = load_generator(args.weights)
    print(f"weights {header.name}, {header.steps} steps, SHA-256 {header.sha256[:16]}")
    shares: dict[str, list[float]] = {}
    for path in sorted(args.data.glob("*.tif")):
        if path.stem in cloudy:
            continue
        with rasterio.open(path) as file:
            reflectance = file.read().astype(np.float32) / np.float32(10_000)
            bands, level = file.descriptions, file.tags()["level"]
        cleared, _, _ = clear_patch(reflectance, bands, level, generator, ClearOptions(precision="fp32"))
        share = float((cleared == reflectance).all(axis=0).mean())
        height, width = reflectance.shape[1:]
        print(f"{path.stem:14} {level} {len(bands):2} bands {height:5} x {width:4} {share:8.2%}")
        place = path.stem.removesuffix("_summer").removesuffix("_spring").rstrip("_0123456789")
        shares.setdefault(place, []).append(share)
    if not shares:
        raise SystemExit(f"{args.data}: no image; scripts/gather_places.py makes them")
    print(f"mean {mean(mean(found) for found in shares.values()):.2%}, N = {len(shares)} places")


if __name__ == "__main__":
    main()
