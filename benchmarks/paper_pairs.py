"""The paper's weights on the real pairs of `pairs.py`, beside ours: whole images, and cut into patches.

    python benchmarks/paper_pairs.py [--weights default unpaired paper] [--patch 64] [--split validation]
                                     [--data ../shared/data] [--pictures DIR] [--json FILE]

The published networks clear images of up to 120 pixels alone, and were trained on 64; the pairs have 256. So each image
is cut into patches of `--patch` pixels, each cleared as its own scene, and put together again; weights that clear the
image in one piece are measured both ways, so that all rows in patches are made the same way. Scores and cloudy pixels
those of `pairs.py`, on all pairs and on those that the mask does not cover wholly.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from comparison import CEILING, DATA, Candidates, table
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pairs import cloud_masks, load_pairs

from unclouded import bands
from unclouded.clearing.options import ClearOptions
from unclouded.clearing.patch import clear_patch
from unclouded.evaluation.paired import PairedErrors
from unclouded.files import write_json
from unclouded.models.generator import Generator
from unclouded.models.weights import load_generator

Image = NDArray[np.float32]
SHOWN = 3
"""Every how many of the pairs is drawn."""


def cleared_whole(image: Image, generator: Generator) -> Image:
    """The cleared image (13, h, w), in one piece."""
    return clear_patch(image, bands.L1C, "L1C", generator, ClearOptions(precision="fp32"))[0]


def cleared_in_patches(image: Image, generator: Generator, side: int) -> Image:
    """The same, put together of patches that know nothing of one another; those at the far edges may be smaller."""
    made = np.empty_like(image)
    for row in range(0, image.shape[1], side):
        for column in range(0, image.shape[2], side):
            box = (slice(None), slice(row, row + side), slice(column, column + side))
            made[box] = cleared_whole(image[box], generator)
    return made


def draw(results: Sequence[Candidates], path: Path) -> None:
    """A PNG: a row for each pair, a column for each image, in natural colour from 0 to 0.3."""
    colour = [bands.INDEX[name] for name in ("B04", "B03", "B02")]
    columns = [name for name in results[0].made if name != CEILING]
    figure = Figure(figsize=(2.2 * (len(columns) + 1), 2.3 * len(results)), layout="constrained")
    panels = figure.subplots(len(results), len(columns) + 1, squeeze=False)
    for line, one in zip(panels, results, strict=True):
        images = [one.made[name] for name in columns] + [one.truth]
        for axis, image, title in zip(line, images, [one.name, *columns[1:], "the other day"], strict=True):
            axis.imshow(np.clip(image[colour].transpose(1, 2, 0) / 0.3, 0, 1))
            axis.set_title(title, fontsize=8)
            axis.set_axis_off()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", nargs="+", default=["default", "unpaired", "paper"])
    parser.add_argument("--patch", type=int, default=64, help="side of the patches in pixels")
    parser.add_argument("--split", default="validation", choices=["validation", "train"])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    networks = {}
    for name in args.weights:
        generator, header = load_generator(name)
        networks[header.name] = generator
        print(f"weights {header.name}, {header.steps} steps, SHA-256 {header.sha256[:16]}")

    pairs = list(load_pairs(args.data, args.split))
    masks = cloud_masks([pair.cloudy for pair in pairs])
    rows: dict[str, list[PairedErrors]] = {}
    results = []
    for pair, mask in zip(pairs, masks, strict=True):
        made = {}
        for name, generator in networks.items():
            if generator.largest is None or max(mask.shape) <= generator.largest:
                made[name] = cleared_whole(pair.cloudy, generator)
            made[f"{name}, {args.patch} px"] = cleared_in_patches(pair.cloudy, generator, args.patch)
        unasked = np.zeros(mask.shape, np.float32)  # no row here goes by an opacity
        one = Candidates.of(pair.name, pair.cloudy, pair.clear, mask, made, unasked)
        for name, errors in one.errors().items():
            rows.setdefault(name, []).append(errors)
        results.append(one)
    partly = np.array([not mask.all() for mask in masks])
    report = {
        "all": table(rows, np.ones(len(pairs), bool), "All pairs"),
        "partly clear": table(rows, partly, "Pairs that the mask does not cover wholly"),
    }
    if args.json is not None:
        write_json({"n": len(pairs), "patch": args.patch, **report}, args.json)
    if args.pictures is not None:
        draw(results[::SHOWN], args.pictures / "paper_pairs.png")


if __name__ == "__main__":
    main()
