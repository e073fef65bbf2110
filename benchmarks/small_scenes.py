"""Cover in small scenes: the detector's networks, the generator's own opacity, and what they are joined to.

    python benchmarks/small_scenes.py [--weights default] [--data ../shared/data] [--count 10] [--json FILE]

Cells of the detector's grid, of images that something is known of (the references of `detection.py`), of chips of 48
and of 96 pixels cut out of them, of clear dates under the real clouds of other dates (`own_mask.py`), and of clear
images and chips of 48 pixels of them. For each kind, mean over its images: the share of covered cells with a
probability below 0.3, and of clear cells above it, of the cells that a reference covers or leaves clear wholly.

Last the weights of the log odds by logistic regression, with equal weight of all places, on images of at most 2 km. The
weights in use lean towards clear, so that clear images stay unchanged.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from comparison import DATA
from date_cases import cases
from detected import Mask
from detection_references import clear_images, references
from numpy.typing import NDArray
from own_mask import OF_L1C, PASTED, SITES, with_clouds
from places import Image
from scipy.optimize import minimize
from scipy.special import expit, logit

from unclouded.clearing.detector.own_opacity import join_opacity, own_opacity
from unclouded.detection.csmask import CloudShadowNetwork, coarsen, grid_factor
from unclouded.models.generator import Generator
from unclouded.models.weights import load_generator

FOUND_FROM = 0.3
SIDES = 48, 96
"""Pixels along the chips."""

_CHIPS = 4
"""Of each image and size."""


_network = cache(CloudShadowNetwork)


class Known(NamedTuple):
    """An image, or a chip of one, with what covers it (h, w), and where that is known."""

    kind: str
    image: Image
    covered: Mask
    known: Mask


def everything(data: Path, count: int) -> Iterator[Known]:
    """All of them."""
    rng = np.random.default_rng(0)
    for site in SITES:
        for case in cases(data, site, count):
            made = with_clouds(case, data, rng) if site in PASTED else case
            level, metres = "L1C" if site in OF_L1C else "L2A", 20 if site.startswith("california") else 10
            image = Image(site, site, made.scene, made.bands, level, metres)
            yield Known(f"pasted, {site}", image, made.mask, np.ones_like(made.mask))
    for reference in references(data, []):
        covered = reference.cloud if reference.shadow is None else reference.cloud | reference.shadow
        yield from with_chips(Known(reference.kind, reference.image, covered, reference.known), SIDES, _CHIPS, rng)
    for image in clear_images(data):
        nothing = np.zeros(image.reflectance.shape[1:], np.bool_)
        yield from with_chips(Known("clear", image, nothing, ~nothing), SIDES[:1], 1, rng)


def with_chips(whole: Known, sides: tuple[int, ...], count: int, rng: np.random.Generator) -> Iterator[Known]:
    """An image, and chips of it if it is large."""
    yield whole
    height, width = whole.covered.shape
    for side in sides if min(height, width) >= 200 else ():
        for _ in range(count):
            row, column = int(rng.integers(height - side)), int(rng.integers(width - side))
            at = slice(row, row + side), slice(column, column + side)
            image = replace(whole.image, reflectance=whole.image.reflectance[:, *at])
            yield Known(f"{whole.kind}, {side} pixels", image, whole.covered[at], whole.known[at])


def answers(image: Image, generator: Generator) -> dict[str, NDArray[np.float32]]:
    """What each finds, (h, w) of the detector's grid."""
    network = _network(image.bands, image.level)
    reflectance, factor = image.reflectance.astype(np.float32), grid_factor(image.metres)
    likely = network.detect_small(reflectance[[image.bands.index(name) for name in network.bands]], factor)
    step = max(1, factor // 2)
    metres = max(reflectance.shape[1:]) * image.metres
    opacity = own_opacity(generator, coarsen(reflectance, step), image.bands, image.level, metres)
    opacity = coarsen(opacity[None], factor // step)[0]
    joined = join_opacity(likely, opacity, metres).sum(axis=0)
    return {"detector": likely.sum(axis=0), "generator": opacity, "joined": joined}


def whole_cells(one: Known) -> tuple[Mask, Mask]:
    """Which cells of the detector's grid are covered wholly, and which not at all."""
    factor = grid_factor(one.image.metres)
    covered, known = (coarsen(part[None].astype(np.float32), factor)[0] for part in (one.covered, one.known))
    return (covered > 0.95) & (known > 0.9), (covered < 0.02) & (known > 0.9)


def regression(rows: list[tuple[str, NDArray[np.float64], Mask]]) -> NDArray[np.float64]:
    """Weights of the log odds of detector and generator, and the constant, of rows of place, odds (N, 2) and truth."""
    places = [place for place, _, _ in rows]
    weights = np.concatenate([np.full(len(truth), 1 / len(truth) / places.count(p)) for p, _, truth in rows])
    odds = np.concatenate([np.column_stack([values, np.ones(len(values))]) for _, values, _ in rows])
    sign = np.where(np.concatenate([truth for _, _, truth in rows]), 1.0, -1.0)

    def loss(chosen: NDArray[np.float64]) -> float:
        return float((weights * np.logaddexp(0, -sign * (odds @ chosen))).sum())

    def slope(chosen: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(-(weights * sign * expit(-sign * (odds @ chosen))) @ odds)

    return np.asarray(minimize(loss, np.zeros(3), jac=slope, method="L-BFGS-B").x)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--count", type=int, default=10, help="cases of each site")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    generator = load_generator(args.weights)[0].eval()
    shares: dict[str, dict[str, list[tuple[float, float]]]] = {}
    rows = []
    for one in everything(args.data, args.count):
        found, (covered, clear) = answers(one.image, generator), whole_cells(one)
        for name, values in found.items():
            missed = (values[covered] < FOUND_FROM).mean() if covered.any() else np.nan
            wrong = (values[clear] >= FOUND_FROM).mean() if clear.any() else np.nan
            shares.setdefault(one.kind, {}).setdefault(name, []).append((float(missed), float(wrong)))
        either = covered | clear
        if either.any() and max(one.covered.shape) * one.image.metres <= 2000:
            odds = np.stack([logit(np.clip(found[name][either], 1e-3, 1 - 1e-3)) for name in ("detector", "generator")])
            rows.append((one.image.place, odds.T.astype(np.float64), covered[either]))
    report = {}
    print("missed / wrongly found, %", *next(iter(shares.values())), sep=" | ")
    for kind, by_name in shares.items():
        means = {name: [100 * float(np.nanmean(column)) if np.isfinite(column).any() else None
                        for column in np.array(values).T] for name, values in by_name.items()}  # fmt: skip
        report[kind] = means
        cells = (" / ".join("" if value is None else f"{value:.1f}" for value in mean) for mean in means.values())
        print(f"{kind}, N = {len(by_name['joined'])}", *cells, sep=" | ", flush=True)
    weights = regression(rows)
    print(f"logistic regression, N = {len(rows)}: detector {weights[0]:.2f}, generator {weights[1]:.2f}, "
          f"constant {weights[2]:.2f}")  # fmt: skip
    if args.json:
        args.json.write_text(json.dumps(report | {"regression": weights.tolist()}, indent=1))


if __name__ == "__main__":
    main()
