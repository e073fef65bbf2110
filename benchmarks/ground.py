"""Ground under cloud from one image alone, against exact truth: error, bias by band and place, and the outline left.

    python benchmarks/ground.py [--weights default] [--data ../shared/data] [--count 6] [--sites held out,roi146,...]
        [--json FILE] [--pictures DIR]

The cases are those of `dates.py` without their references, and `held out`: every clear image of 100 pixels or more of
the places that settings/collection.yaml keeps out of training, under masks of ROI 146. Columns, each the mean absolute
error under the mask: of filling with each band's mean; of the smooth fill by Gaussians (sigma 64, 32, 16, 8 pixels);
ours with the mask given and alone; ours with its own detection, where real cloud was pasted. Then, with the mask given:
the bias in the visible; and the outline, the gradient across the mask's border in the result over that in the truth.
At the end the bias with the mask given, by place and band.
"""

from __future__ import annotations

import argparse
import json
import zlib
from collections import defaultdict
from pathlib import Path

import numpy as np
from comparison import DATA, ROOT
from date_cases import CHOOSING, VERIFYING, Array, Case, cases, masks
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, gaussian_filter

from unclouded.clearing.options import ClearOptions
from unclouded.clearing.patch import clear_patch
from unclouded.data.collection import load_collection
from unclouded.detection.classes import CLEAR, THICK_CLOUD
from unclouded.models.generator import Generator
from unclouded.models.weights import load_generator

SITES = ("held out", *CHOOSING, *VERIFYING)
LEVELS = {"roi146": "L1C", "wright": "L1C"}
"""Of the sites that are not L2A; a held-out image says its own."""
COVERED = ("roi146", "tanzania", "worldcereal", "belgium")
"""Sites under real clouds, pasted: elsewhere a flat grey stands under the mask, or bare ground (`wright`), which no
detector need find."""
VISIBLE = ("B02", "B03", "B04")
BANDS = (*VISIBLE, "B05", "B08", "B11", "B12")
"""Of which the bias is printed."""


def smooth_fill(image: Array, mask: NDArray[np.bool_]) -> Array:
    """Spread the clear pixels by Gaussians, wide ones first."""
    weight = (~mask).astype("f4")
    answer = np.zeros_like(image)
    for number, width in enumerate((64, 32, 16, 8)):
        seen = gaussian_filter(weight, width)
        now = np.stack([gaussian_filter(band * weight, width) for band in image]) / np.maximum(seen, 1e-6)
        sure = np.clip(seen / 0.05, 0, 1) if number else 1
        answer = sure * now + (1 - sure) * answer
    return np.where(mask, answer, image)


def outline(image: Array, truth: Array, mask: NDArray[np.bool_]) -> float:
    """Mean step across the mask's border of the result, in such steps of the truth."""

    def step(of: Array) -> float:
        found = [abs(np.diff(of, axis=axis))[:, _both(mask, axis)].mean() for axis in (1, 2) if _both(mask, axis).any()]
        return float(np.mean(found))

    return step(image) / max(step(truth), 1e-6)


def _both(mask: NDArray[np.bool_], axis: int) -> NDArray[np.bool_]:
    return np.diff(mask.astype(np.int8), axis=axis - 1) != 0


def held_out(data: Path, count: int) -> list[tuple[Case, str]]:
    """Cases of the places that are kept out of training, at most `count` of each."""
    found: list[tuple[Case, str]] = []
    taken: dict[str, int] = defaultdict(int)
    for patch in load_collection(data, ROOT / "settings" / "collection.yaml", held_out=True).clear:
        if min(patch.optical.shape[1:]) < 100 or taken[patch.place] >= count:
            continue
        taken[patch.place] += 1
        rng = np.random.default_rng(zlib.crc32(patch.name.encode()))
        mask = next(masks(data, patch.optical.shape[1:], rng))
        truth = patch.optical[patch.present > 0]
        scene = np.where(mask, np.float32(0.6), truth)
        found.append((Case(patch.place, patch.bands, scene, truth, mask, [], [], [], [], [], []), patch.level))
    return found


def measure(case: Case, level: str, covered: bool, generator: Generator) -> tuple[dict[str, float], list[Array]]:
    """Errors of one case, and its images."""
    mask = case.mask
    kinds = np.where(mask, THICK_CLOUD, CLEAR).astype(np.uint8)
    options = ClearOptions(precision="fp32", mask="given", mask_only=True)
    ours = clear_patch(case.scene, case.bands, level, generator, options, mask=kinds)[0]
    mean = np.stack([np.where(mask, band[~mask].mean(), band) for band in case.scene])
    smooth = smooth_fill(case.scene, mask)
    images = {"mean fill": mean, "smooth fill": smooth, "mask given": ours}
    if covered and {"B02", "B03", "B04", "B08"} <= set(case.bands):
        images["own detection"] = clear_patch(case.scene, case.bands, level, generator, ClearOptions(precision="fp32"))[
            0
        ]
    row = {name: float(abs(image - case.truth)[:, mask].mean()) for name, image in images.items()}
    visible = [number for number, name in enumerate(case.bands) if name in VISIBLE]
    if visible:
        row["bias"] = float((ours - case.truth)[visible][:, mask].mean())
    row |= {f"bias {name}": float((ours - case.truth)[n][mask].mean()) for n, name in enumerate(case.bands)}
    row["outline"] = outline(ours, case.truth, binary_dilation(mask))
    return row, [case.scene, case.truth, smooth, ours]


def line(name: str, rows: list[dict[str, float]]) -> str:
    def mean(key: str) -> float:
        return float(np.mean([row[key] for row in rows if key in row] or [np.nan]))

    def share(one: str, other: str) -> str:
        return f"{mean(one) / mean(other):5.2f}"

    own = [row for row in rows if "own detection" in row]
    ratio = np.mean([r["own detection"] for r in own]) / np.mean([r["mean fill"] for r in own]) if own else np.nan
    errors = " ".join(f"{mean(key):.4f}" for key in ("mean fill", "smooth fill", "mask given", "own detection"))
    return (
        f"{name:28} N={len(rows):3} {errors}  of smooth {share('mask given', 'smooth fill')} own of mean {ratio:5.2f}"
        f" bias {mean('bias'):+.4f} outline {mean('outline'):.2f}"
    )


def print_biases(rows: list[dict[str, str | float]]) -> None:
    """Print the bias in each band: of each place held out, of each other site, and the mean of all cases."""
    print(f"{'bias, mask given':28} {'':5} " + " ".join(f"{name:>7}" for name in BANDS))
    places = [str(row["place" if row["site"] == "held out" else "site"]) for row in rows]
    for place in [*dict.fromkeys(places), "all"]:
        some = [row for row, its in zip(rows, places, strict=True) if place in ("all", its)]
        found = [[float(row[f"bias {name}"]) for row in some if f"bias {name}" in row] for name in BANDS]
        print(f"{place:28} N={len(some):3} " + " ".join(f"{np.mean(f):+.4f}" if f else f"{'':7}" for f in found))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--count", type=int, default=6, help="cases of each site, images of each place held out")
    parser.add_argument("--sites", default=",".join(SITES))
    parser.add_argument("--json", type=Path)
    parser.add_argument("--pictures", type=Path)
    args = parser.parse_args()
    generator, header = load_generator(args.weights)
    print(f"weights {header.name}, {header.steps} steps, SHA-256 {header.sha256[:16]}")
    print("columns: mean fill, smooth fill, mask given, own detection")
    everything: list[dict[str, str | float]] = []
    for site in args.sites.split(","):
        if site == "held out":
            found = held_out(args.data, args.count)
        else:
            found = [(case, LEVELS.get(site, "L2A")) for case in cases(args.data, site, args.count)]
        rows = []
        for number, (case, level) in enumerate(found):
            row, images = measure(case, level, site in COVERED, generator)
            rows.append(row)
            everything.append({"site": site, "place": case.place} | row)
            if args.pictures:
                draw(args.pictures / f"{site.replace(' ', '_')}_{number:02d}.png", case.bands, images)
        print(line(site, rows), flush=True)
        if site == "held out":
            for place in sorted({case.place for case, _ in found}):
                some = [row for row, (case, _) in zip(rows, found, strict=True) if case.place == place]
                print(line(f"  {place}", some), flush=True)
    print_biases(everything)
    if args.json:
        args.json.write_text(json.dumps(everything, indent=1))


def draw(path: Path, bands: tuple[str, ...], images: list[Array]) -> None:
    """Scene, truth, smooth fill, ours: in the visible, or the first band alone."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    path.parent.mkdir(parents=True, exist_ok=True)
    wanted = [bands.index(name) for name in ("B04", "B03", "B02")] if "B03" in bands else [0, 0, 0]
    top = float(np.quantile(images[1][wanted], 0.99))
    row = np.concatenate([np.clip(image[wanted] / top, 0, 1).transpose(1, 2, 0) for image in images], axis=1)
    plt.imsave(path, row)


if __name__ == "__main__":
    main()
