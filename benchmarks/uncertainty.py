"""How far the uncertainty tells the error, at the places of `benchmarks/pairs.py`, which were never trained on.

    python benchmarks/uncertainty.py [--weights default] [--data ../shared/data] [--samples 1]
                                     [--count 4] [--figure PNG] [--json FILE]

The network gives one uncertainty per pixel, for all its bands. Two questions, and neither answers the other:

Does it tell where the error is larger? The rank correlation of the uncertainty and the error (RMS over the bands) of
the changed pixels within each image, averaged over the images; the same of the images' means; and the RMS error in each
quarter of the uncertainty, all pixels together. Asked of the real pairs, whose clear images are of other days, so that
part of the error is the land's own change, which no image can tell; and of simulated skies over the clear images of the
same places, whose truth is exact.

Is it as large as the error? The share of values (a band of a pixel) within mean +- 1.645 uncertainties, which would be
90 % if errors were Gaussian and the uncertainty right. It is taken on the cloudy pixels of the mask of `pairs.py` that
were replaced, for each place, then averaged; and on all cloudy pixels, of which those that were missed keep an
uncertainty of 0. The factor is what all uncertainties would have
to be multiplied by for 90 %: fitted on all places but one and checked on that one, then on all halvings of the places.
The weights' own calibration, which their uncertainty is already multiplied by, was found so. So the last question: is
it right where nothing was fitted, on the L2A days of `benchmarks/pairs_l2a.py`?

The change of the land between the days is in these errors, and so it is in the factor. What it is without is asked of
the cases of `own_mask.py`, clear dates under real clouds, whose truth is that of the day: with the mask given beside
the detector, and by own detection alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import torch
from comparison import DATA
from date_cases import cases
from matplotlib.figure import Figure
from numpy.typing import NDArray
from own_mask import OF_L1C, PASTED, SITES, with_clouds
from pairs import cloud_masks, load_pairs, place, truly_clear
from pairs_l2a import load_site
from scipy.stats import spearmanr

from unclouded import bands
from unclouded.clearing.options import ClearOptions
from unclouded.clearing.patch import clear_patch
from unclouded.data.clouds import simulate
from unclouded.data.seasons import path_reflectance
from unclouded.detection.classes import CLEAR, THICK_CLOUD
from unclouded.models.generator import Generator
from unclouded.models.weights import load_generator

TARGET, SIGMAS = 0.90, 1.645
FACTORS = np.geomspace(0.1, 100, 2001)
BINS = 10
MOST_DAYS = 10
SKIES = 4


@dataclass(frozen=True)
class Judged:
    """The cleared image of one pair.

    Attributes:
        name: of the pair.
        place: of several pairs where they overlap.
        error: (C, H, W) absolute, of reflectance clipped to [0, 1].
        uncertainty: (H, W).
        changed: (H, W) pixels that the network replaced.
        cloudy: (H, W) by the mask.
    """

    name: str
    place: str
    error: NDArray[np.float32]
    uncertainty: NDArray[np.float32]
    changed: NDArray[np.bool_]
    cloudy: NDArray[np.bool_]

    @property
    def pixel_error(self) -> NDArray[np.float32]:
        """(H, W) RMS over the bands."""
        return np.sqrt(np.square(self.error).mean(axis=0))


def judge(data: Path, generator: Generator, threshold: float, samples: int) -> list[Judged]:
    """Clear the validation pairs, and compare each with its clear image."""
    pairs = list(load_pairs(data, "validation"))
    judged = []
    for pair, mask in zip(pairs, cloud_masks([pair.cloudy for pair in pairs]), strict=True):
        options = ClearOptions(precision="fp32", samples=samples, threshold=threshold)
        cleared, opacity, uncertainty = clear_patch(pair.cloudy, bands.L1C, "L1C", generator, options)
        error = abs(np.clip(cleared, 0, 1) - np.clip(pair.clear, 0, 1))
        judged.append(Judged(pair.name, place(pair), error, uncertainty, opacity >= threshold, mask))
    return judged


def judge_simulated(data: Path, generator: Generator, threshold: float, samples: int) -> list[Judged]:
    """Clear simulated skies over the truly clear images of the validation pairs; the same skies in every run."""
    names, rng = truly_clear(), torch.Generator().manual_seed(0)
    judged = []
    for pair in load_pairs(data, "validation"):
        for number in range(SKIES if pair.name in names else 0):
            sky = simulate(torch.from_numpy(pair.clear)[None], path_reflectance(torch.zeros(1), rng), rng)
            options = ClearOptions(precision="fp32", samples=samples, threshold=threshold)
            cleared, opacity, uncertainty = clear_patch(sky.cloudy[0].numpy(), bands.L1C, "L1C", generator, options)
            error = abs(np.clip(cleared, 0, 1) - np.clip(pair.clear, 0, 1))
            hidden = sky.cloud_shadow_fraction[0, 0].numpy() >= 0.3
            judged.append(
                Judged(f"{pair.name}, {number}", place(pair), error, uncertainty, opacity >= threshold, hidden)
            )
    return judged


def judge_l2a(data: Path, generator: Generator, threshold: float, samples: int) -> list[Judged]:
    """Clear the partly cloudy days of the L2A site, and compare each with the nearest clear day."""
    site = load_site(data / "worldcereal")
    judged = []
    for cloudy, truth in site.pairs(MOST_DAYS):
        options = ClearOptions(precision="fp32", samples=samples, threshold=threshold)
        cleared, opacity, uncertainty = clear_patch(site.reflectance[cloudy], bands.TEN, "L2A", generator, options)
        error = abs(np.clip(cleared, 0, 1) - np.clip(site.reflectance[truth], 0, 1))
        day = str(site.days[cloudy])
        judged.append(Judged(day, day, error, uncertainty, opacity >= threshold, site.cloudy[cloudy]))
    return judged


def judge_exact(data: Path, generator: Generator, threshold: float, count: int, *, masked: bool) -> list[Judged]:
    """Clear clear dates under real clouds, and compare each with itself."""
    judged = []
    for site in SITES:
        rng, level = np.random.default_rng(0), "L1C" if site in OF_L1C else "L2A"
        for number, case in enumerate(cases(data, site, count)):
            made = with_clouds(case, data, rng) if site in PASTED else case
            mask = np.where(made.mask, THICK_CLOUD, CLEAR).astype(np.uint8) if masked else None
            options = ClearOptions(precision="fp32", threshold=threshold)
            cleared, opacity, uncertainty = clear_patch(made.scene, made.bands, level, generator, options, mask=mask)
            error = abs(np.clip(cleared, 0, 1) - np.clip(made.truth, 0, 1))
            judged.append(Judged(f"{site} {number}", site, error, uncertainty, opacity >= threshold, made.mask))
    return judged


def exact(images: list[Judged]) -> dict[str, object]:
    """Order and size of the uncertainty at each site, then averaged over the sites."""
    sites = [[image for image in images if image.place == site] for site in dict.fromkeys(i.place for i in images)]
    orders = [order(group) for group in sites]
    curves = np.array([coverage(group, changed_only=True) for group in sites])
    as_it_is = int(abs(FACTORS - 1).argmin())
    return {
        "images": len(images),
        **{
            key: float(np.mean([found[key] for found in orders]))
            for key in ("rank_correlation_within_images", "rank_correlation_of_images")
        },
        "coverage": at(curves, 1),
        "coverage_of_each_site": {group[0].place: curve[as_it_is] for group, curve in zip(sites, curves, strict=True)},
        "factor": factor(curves),
    }


def order(images: list[Judged]) -> dict[str, object]:
    """Does the uncertainty tell where the error is larger?"""
    images = [image for image in images if image.changed.sum() >= 100]
    spreads = [image.uncertainty[image.changed] for image in images]
    errors = [image.pixel_error[image.changed] for image in images]
    ranks = [float(spearmanr(*both).statistic) for both in zip(spreads, errors, strict=True)]
    means = ([float(np.sqrt(np.square(x).mean())) for x in side] for side in (spreads, errors))
    spread, error = np.concatenate(spreads), np.concatenate(errors)
    quarter = np.searchsorted(np.quantile(spread, [0.25, 0.5, 0.75]), spread)
    return {
        "images": len(ranks),
        "changed_pixels": len(spread),
        "rank_correlation_within_images": float(np.mean(ranks)),
        "rank_correlation_of_images": float(spearmanr(*means).statistic),
        "uncertainty_by_quarter": [rms(spread[quarter == q]) for q in range(4)],
        "error_by_quarter": [rms(error[quarter == q]) for q in range(4)],
    }


def print_size(images: list[Judged]) -> dict[str, object]:
    """Is the uncertainty as large as the error?"""
    places = list(dict.fromkeys(image.place for image in images))
    here = [[image for image in images if image.place == chosen] for chosen in places]
    curves = np.array([coverage(group, changed_only=True) for group in here])
    as_it_is = int(abs(FACTORS - 1).argmin())
    print(f"\n{'':16s}{'coverage':>9s}{'factor for 90 %':>17s}")
    for name, curve in zip(places, curves, strict=True):
        print(f"{name:16s}{curve[as_it_is]:9.2f}{factor([curve]):17.1f}")
    both = curves[::2], curves[1::2]
    halves = list(combinations(range(len(places)), len(places) // 2))
    fitted = [factor(curves[list(half)]) for half in halves]
    left_out = [at(curves[[p]], factor(np.delete(curves, p, axis=0))) for p in range(len(places))]
    checked = [at(np.delete(curves, half, axis=0), scale) for half, scale in zip(halves, fitted, strict=True)]
    everything = np.array([coverage(group) for group in here])
    return {
        "places": len(places),
        "coverage": at(curves, 1),
        "coverage_of_all_cloudy": at(everything, 1),
        "coverage_by_band": {
            name: at(np.array([coverage(group, [index], changed_only=True) for group in here]), 1)
            for name, index in bands.INDEX.items()
        },
        "factor": factor(curves),
        "coverage_of_the_place_left_out": float(np.mean(left_out)),
        "factor_of_each_half": [factor(half) for half in both],
        "coverage_of_the_other_half": [at(both[1], factor(both[0])), at(both[0], factor(both[1]))],
        "halvings": len(halves),
        "factor_5_50_95_percent": np.quantile(fitted, [0.05, 0.5, 0.95]).tolist(),
        "coverage_of_the_rest_5_50_95_percent": np.quantile(checked, [0.05, 0.5, 0.95]).tolist(),
    }


def coverage(
    images: Iterable[Judged], chosen: list[int] | slice = slice(None), *, changed_only: bool = False
) -> NDArray[np.float64]:
    """(F,) the share of the cloudy values within the interval, for each of `FACTORS`; NaN where there are none."""
    ratios = []
    for image in images:
        where = image.cloudy & image.changed if changed_only else image.cloudy
        ratios.append((image.error[chosen][:, where] / np.maximum(image.uncertainty[where], 1e-9)).ravel())
    ratio = np.sort(np.concatenate(ratios))
    return (
        np.searchsorted(ratio, SIGMAS * FACTORS, side="right") / len(ratio)
        if len(ratio)
        else np.full(len(FACTORS), np.nan)
    )


def at(curves: NDArray[np.float64], scale: float) -> float:
    """Coverage with this factor, mean over the places."""
    return float(np.nanmean(curves[:, abs(FACTORS - scale).argmin()]))


def factor(curves: NDArray[np.float64] | list[NDArray[np.float64]]) -> float:
    """The smallest factor that brings the places' mean coverage to 90 %; NaN if none does."""
    enough = np.nanmean(curves, axis=0) >= TARGET
    return float(FACTORS[enough.argmax()]) if enough.any() else float("nan")


def rms(values: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.square(values, dtype=np.float64).mean()))


def draw(images: list[Judged], path: Path) -> None:
    """The RMS error of cloudy pixels in each tenth of their uncertainty: thin for one place, thick for all."""
    figure = Figure(figsize=(5.5, 5.5), layout="constrained")
    axes = figure.subplots()
    for name in dict.fromkeys(image.place for image in images):
        axes.plot(*binned([image for image in images if image.place == name]), color="0.75", linewidth=1)
    axes.plot([], [], color="0.75", linewidth=1, label="one place")
    axes.plot(*binned(images), "o-", color="C0", linewidth=2, label="all cloudy pixels")
    limits, ticks = (0.01, 0.2), (0.01, 0.02, 0.05, 0.1, 0.2)
    axes.plot(limits, limits, "--", color="black", linewidth=1, label="uncertainty = error")
    axes.set(xscale="log", yscale="log", xlim=limits, ylim=limits, aspect="equal")
    axes.set(xticks=ticks, xticklabels=ticks, yticks=ticks, yticklabels=ticks)
    axes.minorticks_off()
    axes.set(xlabel="uncertainty (reflectance, RMS of the tenth)", ylabel="RMS error (reflectance)")
    axes.legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def binned(images: list[Judged]) -> tuple[list[float], list[float]]:
    """RMS of uncertainty and of error in each tenth of the uncertainty of the cloudy pixels."""
    spread = np.concatenate([image.uncertainty[image.cloudy] for image in images])
    error = np.concatenate([image.pixel_error[image.cloudy] for image in images])
    tenths = [part for part in np.array_split(np.argsort(spread), BINS) if len(part)]
    return [rms(spread[part]) for part in tenths], [rms(error[part]) for part in tenths]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--samples", type=int, default=1)
    parser.add_argument("--count", type=int, default=4, help="cases of each site under real clouds")
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    generator, header = load_generator(args.weights)
    what = f"{header.steps} steps, calibration {header.calibration}, SHA-256 {header.sha256[:16]}"
    print(f"weights {header.name}, {what}, {args.samples} samples")
    images = judge(args.data, generator, header.threshold, args.samples)
    figures = order(images) | print_size(images)
    skies = judge_simulated(args.data, generator, header.threshold, args.samples)
    figures |= {f"simulated_{name}": value for name, value in order(skies).items()}
    figures["simulated_coverage"] = at(np.array([coverage([sky], changed_only=True) for sky in skies]), 1)
    days = judge_l2a(args.data, generator, header.threshold, args.samples)
    figures |= {
        "l2a_days": len(days),
        "l2a_coverage": at(np.array([coverage([day], changed_only=True) for day in days]), 1),
    }
    for kind, masked in (("mask_given", True), ("own_detection", False)):
        under = judge_exact(args.data, generator, header.threshold, args.count, masked=masked)
        figures |= {f"real_clouds_{kind}_{name}": value for name, value in exact(under).items()}
    print()
    for name, value in json.loads(json.dumps(figures), parse_float=lambda text: round(float(text), 4)).items():
        print(f"{name:64}{value}")
    if args.figure:
        draw(images, args.figure)
    if args.json:
        args.json.write_text(json.dumps({"weights": header.sha256, **figures}, indent=1) + "\n")


if __name__ == "__main__":
    main()
