"""Scores on real pairs from places never trained on: nothing, masks with simple fills, the ceiling, and ours.

    python benchmarks/pairs.py [--weights default] [--data ../shared/data] [--pictures DIR] [--json FILE]

Every score is taken per image, then averaged; reflectance is clipped to [0, 1]. Cloudy pixels are those of the
s2cloudless mask (threshold 0.4, averaged over 4 pixels, dilated by 2). Images that the mask covers wholly give a fill
nothing to work with: it returns them as they are, so the table is printed with and without them. The two images of a
pair are of different days: a table of those that show clear ground says what is lost by that alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
import yaml
from comparison import CEILING, DATA, MEAN_FILL, OURS, ROOT, THAT_DAY, Candidates, draw, print_each, table
from numpy.typing import NDArray
from s2cloudless import S2PixelCloudDetector

from unclouded import bands
from unclouded.clearing.options import ClearOptions
from unclouded.clearing.patch import clear_patch
from unclouded.evaluation.paired import PairedErrors, average, compare
from unclouded.models.weights import load_generator

PLACES = ROOT / "settings" / "places.yaml"
FOUR = ("B02", "B03", "B04", "B08")
CIRRUS = 0.01
"""Median of B10 from which on an image shows cirrus; `unclouded.detection.haze` begins there, too."""
SUBSETS = {"13 bands": bands.L1C, "12 bands": bands.L2A, "10 bands": bands.TEN, "4 bands": FOUR}


@dataclass(frozen=True)
class Pair:
    """Reflectance (13, H, W) of a cloudy and a clear image of one place; radar (2, H, W) in dB where there is any."""

    name: str
    cloudy: NDArray[np.float32]
    clear: NDArray[np.float32]
    radar: NDArray[np.float32] | None


def load_pairs(data: Path, split: str) -> Iterator[Pair]:
    """The pairs of a split of settings/places.yaml."""
    places = yaml.safe_load(PLACES.read_text())[split]
    for roi in places.get("sen12mscr", []):
        for path in sorted(data.glob(f"sen12mscr/ROIs*_s2_cloudy/s2_cloudy_{roi}/*.tif")):
            name = path.name.replace("s2_cloudy", "s2")
            clear = path.parents[2] / path.parents[1].name.replace("s2_cloudy", "s2") / f"s2_{roi}" / name
            yield Pair(f"ROI {roi} {path.stem.split('_')[-1]}", _read(path), _read(clear), None)
    with np.load(data / "sen12mscr_triplets.npz") as arrays:
        names = [str(name) for name in arrays["name"]]
        cloudy, clear, radar = arrays["cloudy"], arrays["clear"], arrays["s1"]
    for name in places.get("triplets", []):
        i = names.index(name)
        yield Pair(f"triplet {name}", cloudy[i] / np.float32(1e4), clear[i] / np.float32(1e4), radar[i])


def truly_clear() -> set[str]:
    """Names of the validation pairs whose clear image shows neither cloud nor haze."""
    listed = yaml.safe_load(PLACES.read_text())["clear"]
    rois = {f"ROI {name.replace('/', ' ')}" for name in listed["sen12mscr"]}
    return rois | {f"triplet {name}" for name in listed["triplets"]}


def _read(path: Path) -> NDArray[np.float32]:
    with rasterio.open(path) as file:
        return file.read() / np.float32(1e4)


def cloud_masks(images: list[NDArray[np.float32]]) -> list[NDArray[np.bool_]]:
    """The s2cloudless mask of each image (13, H, W)."""
    detector = S2PixelCloudDetector(threshold=0.4, average_over=4, dilation_size=2, all_bands=True)
    return [detector.get_cloud_masks(image.transpose(1, 2, 0)[None])[0] > 0 for image in images]


def place(pair: Pair) -> str:
    """Name the place of a pair: several of one region of interest overlap."""
    return pair.name if pair.name.startswith("triplet") else pair.name.rsplit(" ", 1)[0]


def by_place(rows: dict[str, list[PairedErrors]], pairs: list[Pair]) -> dict[str, list[PairedErrors]]:
    """The mean of each place's pairs, in every row."""
    places = [place(pair) for pair in pairs]
    return {
        name: [
            average([e for e, p in zip(errors, places, strict=True) if p == chosen]) for chosen in dict.fromkeys(places)
        ]
        for name, errors in rows.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--split", default="validation", choices=["validation", "train"])
    parser.add_argument("--samples", type=int, default=1)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--pictures", type=Path)
    arguments = parser.parse_args()
    generator, header = load_generator(arguments.weights)
    print(f"weights {header.name}, {header.steps} steps, SHA-256 {header.sha256[:16]}")

    pairs = list(load_pairs(arguments.data, arguments.split))
    masks = cloud_masks([pair.cloudy for pair in pairs])
    rows: dict[str, list[PairedErrors]] = {}
    subsets: dict[str, list[PairedErrors]] = {}
    ten, four = ([bands.INDEX[name] for name in names] for names in (bands.TEN, FOUR))
    results = []

    def clear(
        image: NDArray[np.float32], names: tuple[str, ...] = bands.L1C, radar: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        chosen = image[[bands.INDEX[name] for name in names]]
        options = ClearOptions(precision="fp32", samples=arguments.samples)
        return clear_patch(chosen, names, "L1C", generator, options, radar=radar)[:2]

    for pair, mask in zip(pairs, masks, strict=True):
        cleared, opacity = clear(pair.cloudy)
        candidates = Candidates.of(pair.name, pair.cloudy, pair.clear, mask, {OURS: cleared}, opacity)
        for name, errors in candidates.errors().items():
            rows.setdefault(name, []).append(errors)
        for name, subset in SUBSETS.items():
            image = np.zeros_like(pair.cloudy)
            image[[bands.INDEX[b] for b in subset]] = cleared if subset == bands.L1C else clear(pair.cloudy, subset)[0]
            if name != "4 bands":
                subsets.setdefault(f"{name}, on the 10", []).append(compare(image[ten], pair.clear[ten], mask))
            subsets.setdefault(f"{name}, on the 4", []).append(compare(image[four], pair.clear[four], mask))
        if pair.radar is not None:
            rows.setdefault("ours, on the triplets", []).append(rows[OURS][-1])
            with_radar = clear(pair.cloudy, radar=pair.radar)[0]
            rows.setdefault("ours with radar", []).append(compare(with_radar, pair.clear, mask))
        results.append(candidates)

    triplets = {name: rows.pop(name) for name in ("ours, on the triplets", "ours with radar")}
    everything = np.ones(len(pairs), bool)
    partly = np.array([not mask.all() for mask in masks])
    report = {
        "all": table(rows, everything, "All validation pairs"),
        "partly clear": table(rows, partly, "Pairs that the mask does not cover wholly"),
        "places": table(by_place(rows, pairs), np.ones(len({place(pair) for pair in pairs}), bool), "Each place once"),
        "days": print_days(results, header.threshold),
        "subsets": table(subsets, everything, "Fewer bands, same weights, same bands compared"),
        "radar": table(triplets, np.ones(len(triplets["ours with radar"]), bool), "With radar"),
    }
    report["bias"] = print_bias(results, [place(pair) for pair in pairs])
    print_each(results, rows)
    report["untouched"] = print_untouched(pairs, lambda image: clear(image)[0])
    if arguments.json:
        arguments.json.write_text(json.dumps({"weights": header.sha256, "n": len(pairs), **report}, indent=1))
    if arguments.pictures:
        half = -(-len(results) // 2)
        for page, part in enumerate((results[:half], results[half:]), start=1):
            draw(part, bands.L1C, arguments.pictures / f"pairs_{page}.png")


def print_days(results: list[Candidates], threshold: float) -> dict[str, dict[str, float]]:
    """Print and return the scores of a perfect method if the ground changed uniformly over each image."""
    rows: dict[str, list[PairedErrors]] = {}
    for one in results:
        that_day = one.that_day(threshold)
        if that_day is not None:
            made = {name: one.made[name] for name in (MEAN_FILL, OURS, CEILING)} | {THAT_DAY: that_day}
            for name, image in made.items():
                rows.setdefault(name, []).append(compare(image, one.truth, one.mask))
    return table(rows, np.ones(len(rows[OURS]), bool), "Pairs that show clear ground: the change between the days")


def print_bias(results: list[Candidates], places: list[str]) -> dict[str, dict[str, float]]:
    """Print and return the bias on cloudy pixels in the visible and the near infrared, means of each place's pairs.

    With the reflectance of the other day in B10, by which cirrus is told: what it adds is missing in a right result.
    """
    chosen = [bands.INDEX[name] for name in FOUR]
    found: dict[str, dict[str, list[NDArray[np.float32]]]] = {"all": {}, "no cirrus on the other day": {}}
    for one, where in zip(results, places, strict=True):
        excess = (one.made[OURS] - one.truth)[chosen][:, one.mask].mean(axis=1)
        cirrus = np.median(one.truth[bands.INDEX["B10"]])
        for name, by_place in found.items():
            if name == "all" or cirrus < CIRRUS:
                by_place.setdefault(where, []).append(np.append(excess, cirrus))
    print("\nBias on cloudy pixels: B02, B03, B04, B08; mean of the visible; B10 of the other day")
    report = {}
    for name, by_place in found.items():
        means = {where: np.mean(values, axis=0) for where, values in by_place.items()}
        for where, values in (*means.items(), (f"{len(means)} places", np.mean(list(means.values()), axis=0))):
            report[f"{name}: {where}"] = {"visible": float(values[:3].mean()), "B08": float(values[3])}
            cells = (*values[:4], values[:3].mean(), values[-1])
            print(f"{name + ': ' + where:42s}" + "".join(f"{value:+8.3f}" for value in cells))
    return report


def print_untouched(pairs: list[Pair], clear: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> dict[str, float]:
    """Print, and return, the share of pixels of each truly clear image whose DN come back as they were."""
    names, shares = truly_clear(), {}
    for pair in pairs:
        if pair.name in names:
            before, after = (np.rint(image * 1e4) for image in (pair.clear, clear(pair.clear)))
            shares[pair.name] = float((before == after).all(axis=0).mean())
    print(f"\nClear images: share of pixels untouched, mean {np.mean(list(shares.values())):.4f}, N = {len(shares)}")
    print("\n".join(f"{name:16s}{share:8.4f}" for name, share in shares.items()))
    return shares


if __name__ == "__main__":
    main()
