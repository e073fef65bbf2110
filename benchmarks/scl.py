"""What the scene classification (SCL) of L2A products adds to our own detection, and what it would spoil.

    python benchmarks/scl.py [--weights NAME|PATH] [--data ../shared/data]

Compared are our own detection alone, with SCL joined as `detection.scl` does it (`--mask auto`), with all of it
believed (classes 3, 8, 9 and 10 wherever they are), and SCL alone as it would be with `--mask-only`. Three questions:

- does it help? Errors of the cleared image on the partly cloudy days of one Belgian site that have a clear day at most
  10 days away, as in `pairs_l2a.py`: N images of one place;
- does it call clear days cloud? Share of the images of two more Belgian sites that is covered, by their state by eye;
- if it is wrong? Clear images of all places, of which the brightest 3 % are called cloud of high probability, as roofs
  are, and a snowy one, of which all that is bright is.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from comparison import DATA, print_row
from detected import Mask, clear
from numpy.typing import NDArray
from pairs_l2a import load_scl, load_site
from places import Image, images
from torch import Tensor

import unclouded.clearing.context.cover
import unclouded.clearing.context.summaries
from unclouded.bands import TEN
from unclouded.detection import scl
from unclouded.detection.csmask import coarsen
from unclouded.evaluation.paired import compare
from unclouded.models.generator import Generator
from unclouded.models.weights import load_generator

OWN, JOINED, ALL = "our own detection", "joined", "all of SCL believed"
COVERED = (3, 8, 9, 10)
EACH, BRIGHTEST, WHITE = 3, 0.97, 0.25


@contextmanager
def believing(way: str) -> Iterator[None]:
    """Join SCL in one of the ways for a while."""

    def shares(values: NDArray[np.int32], factor: int) -> NDArray[np.float32]:
        called = np.stack([np.isin(values, kinds) for kinds in ((8, 9, 10), (3,))])
        return coarsen(called.astype(np.float32), factor)

    def join(probabilities: Tensor, called: Tensor) -> Tensor:
        return torch.cat([torch.maximum(probabilities[:, :2], called), probabilities[:, 2:]], dim=1)

    if way == ALL:
        _put(shares, join)
    try:
        yield
    finally:
        _put(scl.shares, scl.join)


def _put(shares: Callable[..., NDArray[np.float32]], join: Callable[..., Tensor]) -> None:
    unclouded.clearing.context.summaries.shares, unclouded.clearing.context.cover.join = shares, join


def cleared(
    image: Image, classes: NDArray[np.uint8], way: str, generator: Generator
) -> tuple[NDArray[np.float32], Mask]:
    """The reflectance (C, h, w), and what was replaced (h, w)."""
    with believing(way):
        made = clear(image, generator, None if way == OWN else classes)
    return made.reflectance, made.opacity > 0


def print_days(data: Path, generator: Generator) -> None:
    site, classes = load_site(data / "worldcereal"), load_scl(data / "worldcereal")
    pairs = list(site.pairs(10))
    print(f"\nDays of one Belgian site against the nearest clear day, N = {len(pairs)}")
    print(f"{'':34s}{'PSNR':>8s}{'SSIM':>8s}{'angle':>8s}{'cloudy':>9s}{'elsewhere':>11s}")
    for way in (OWN, JOINED, ALL):
        errors = []
        for cloudy, truth in pairs:
            image = Image(str(site.days[cloudy]), "worldcereal", site.reflectance[cloudy], TEN, "L2A")
            made, _ = cleared(image, classes[cloudy], way, generator)
            errors.append(compare(made, site.reflectance[truth], site.cloudy[cloudy]))
        print_row(way, errors)


def print_states(data: Path, generator: Generator) -> None:
    found: dict[tuple[str, str], list[list[float]]] = {}
    for image in images(data / "places"):
        if image.place.startswith("gfmap") and image.classes is not None:
            shares = [cleared(image, image.classes, way, generator)[1].mean() for way in (OWN, JOINED, ALL)]
            found.setdefault((image.place, image.state), []).append([*shares, np.isin(image.classes, COVERED).mean()])
    print(f"\nShare covered by state by eye: {OWN}, {JOINED}, {ALL}, SCL alone")
    for (where, state), rows in found.items():
        print(f"{where:16s}{state:10s}{''.join(f'{mean:8.3f}' for mean in np.mean(rows, axis=0))}   N = {len(rows)}")


def print_wrong(data: Path, generator: Generator) -> None:
    counts: dict[str, int] = {}
    found: dict[str, list[list[float]]] = {}
    for image in images(data / "places"):
        source = image.place.split()[0]
        counts[source] = counts.get(source, 0) + (image.state == "clear")
        if image.state != "clear" or counts[source] > EACH or min(image.reflectance.shape[1:]) < 96:
            continue
        height, width = (side // 8 * 8 for side in np.minimum(image.reflectance.shape[1:], 512))
        crop = Image(
            image.name, image.place, image.reflectance[:, :height, :width], image.bands, image.level, image.metres
        )
        bright = crop.reflectance[[crop.bands.index(name) for name in ("B02", "B03", "B04")]].mean(axis=0)
        snow = "snow" in image.place
        wrong = bright > (WHITE if snow else np.quantile(bright, BRIGHTEST))
        classes = np.where(wrong, 9, 4).astype(np.uint8)
        shares = [float(cleared(crop, classes, way, generator)[1][wrong].mean()) for way in (OWN, JOINED, ALL)]
        found.setdefault("snow" if snow else "bright ground", []).append(shares)
    print(f"\nOf what SCL wrongly calls cloud in clear images, share replaced: {OWN}, {JOINED}, {ALL}")
    for kind, rows in found.items():
        worst = "".join(f"{share:8.3f}" for share in np.max(rows, axis=0))
        print(f"{kind:26s}{''.join(f'{m:8.3f}' for m in np.mean(rows, axis=0))}   worst{worst}   N = {len(rows)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", "--model", default="default")
    parser.add_argument("--data", type=Path, default=DATA)
    args = parser.parse_args()
    generator, header = load_generator(args.weights)
    generator.eval()
    print(f"weights {header.name}, {header.steps} steps, SHA-256 {header.sha256[:16]}")
    for show in (print_days, print_states, print_wrong):
        show(args.data, generator)


if __name__ == "__main__":
    main()
