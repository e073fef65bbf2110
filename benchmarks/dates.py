"""Error under cloud with other dates at hand: exact truth by pasted real clouds, the mask given, every site at hand.

    python benchmarks/dates.py [--data ../shared/data] [--count 6] [--sites roi146,…] [--useless] [--clues]
        [--json FILE]

Rows: each site (`date_cases.py` says what they are) with one earlier date and with the three nearest. Columns: the mean
absolute error under the cover of filling with each band's mean, of the smooth fill from the scene alone (`transfer`
without references), of the plain ridge regression of all bands of all references with its residual spread by Gaussians,
and of `transfer`; then, of `transfer`, its ratio to the regression, its bias, the rank correlation within an image of
the error to expect and the error (mean over the bands), the share of values in the 90 % interval, and the error to
expect where the land changed in that of the rest (`changed_land`; N, and in how many it is more). Constants were chosen
on `date_cases.CHOOSING`; `date_cases.VERIFYING` were looked at only to check.

`--useless` adds what references that do not help do: all cloud but not masked, 3 pixels off, another place (the
reference turned by half a turn), snow painted on six tenths of it, 1,000 DN off; each beside the smooth fill.

`--clues` adds what in an image goes with its errors, as the mean rank correlation with them: the distance to clear
ground, the gradient of the nearest reference and its deviation within 3 and 15 pixels, how bright the result is, how
far it departs from the reference, and, which no clue can tell, the error of the eight neighbours.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from date_cases import CHOOSING, VERIFYING, Array, Case, cases
from numpy.typing import NDArray
from scipy.ndimage import convolve, distance_transform_edt, gaussian_filter, sobel, uniform_filter
from scipy.stats import spearmanr

from unclouded.references.squares import Ground
from unclouded.references.statistics import Layout, Reference, block_statistics, merge
from unclouded.references.transfer import Transfer, fit
from unclouded.references.verdicts import verdicts

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
DAYS = (10, 30, 90, 400)
COLUMNS = ("mean fill", "smooth fill", "regression", "transfer")


def transfer(
    case: Case, references: list[Array], clear: list[NDArray[np.bool_]], days: list[int]
) -> tuple[Array, Ground, Transfer]:
    """The cleared scene with these references, those that the verdicts refuse left out."""
    known = tuple(Reference(f"date {i}", case.bands, d) for i, d in enumerate(days))
    layout = Layout(*case.mask.shape, case.bands, known)
    statistics = merge(layout, [block_statistics(layout, 0, 0, case.scene, ~case.mask, references, clear)])
    fitted = fit(statistics, [v.reference for v in verdicts(statistics) if v.usable])
    ground = fitted.predict(0, 0, references, clear, case.mask)
    return np.where(case.mask, ground.reflectance, case.scene), ground, fitted


def regression(case: Case, references: list[Array]) -> Array:
    """Ridge regression on all bands of all references over the scene's clear pixels, plus the residual spread."""
    r = np.concatenate(references)
    a = np.c_[r.reshape(len(r), -1).T, np.ones(case.mask.size)]
    known = ~case.mask.ravel()
    gram = a[known].T @ a[known] + 1e-7 * known.sum() * np.eye(a.shape[1])
    flat = case.scene.reshape(len(case.scene), -1)
    made = (a @ np.linalg.solve(gram, a[known].T @ flat.T[known])).T.reshape(case.scene.shape)
    weight, residual = (~case.mask).astype("f4"), case.scene - made
    answer = np.zeros_like(residual)
    for number, width in enumerate((64, 32, 16, 8)):
        seen = gaussian_filter(weight, width)
        now = np.stack([gaussian_filter(v * weight, width) for v in residual]) / np.maximum(seen, 1e-6)
        sure = np.clip(seen / 0.05, 0, 1) if number else 1
        answer = sure * now + (1 - sure) * answer
    return np.where(case.mask, made + answer, case.scene)


def measure(site: str, data: Path, count: int) -> tuple[list[dict[str, object]], list[Case]]:
    found = cases(data, site, count)
    rows: list[dict[str, object]] = []
    for case in found:
        alone, _, _ = transfer(case, [], [], [])
        filled = np.stack([np.where(case.mask, b[~case.mask].mean(), b) for b in case.scene])
        for kind in ("earlier", "three nearest"):
            few = kind == "earlier"
            if not few and len(case.near) < 2:
                continue
            references = case.earlier[:1] if few else case.near
            clear = case.earlier_clear[:1] if few else case.near_clear
            days = case.earlier_days[:1] if few else case.near_days
            start = time.perf_counter()
            made, ground, fitted = transfer(case, references, clear, days)
            seconds = time.perf_counter() - start
            images = zip(COLUMNS, (filled, alone, regression(case, references), made), strict=True)
            row: dict[str, object] = {n: float(abs(i - case.truth)[:, case.mask].mean()) for n, i in images}
            error, expected = abs(made - case.truth)[:, case.mask], ground.error[case.mask]
            row |= {
                "site": site, "place": case.place, "kind": kind, "days": min(abs(d) for d in days),
                "bias": float((made - case.truth)[:, case.mask].mean()),
                "rank": float(spearmanr(error.mean(axis=0), expected)[0]),
                "within": float((error <= fitted.interval * expected).mean()), "seconds": seconds,
                "changed": changed_land(case, references[0], expected),
            }  # fmt: skip
            row["clues"] = clues(case, references[0], made)
            rows.append(row)
    return rows, found


def clues(case: Case, reference: Array, made: Array) -> dict[str, float]:
    """Rank correlation of clues with the error under the cover, mean over the bands."""
    mask, around = case.mask, np.ones((3, 3))
    around[1, 1] = 0
    error = np.where(mask, abs(made - case.truth).mean(axis=0), 0)
    beside = convolve(error, around, mode="constant") / np.maximum(
        convolve(mask.astype("f4"), around, mode="constant"), 1
    )
    clues = {
        "distance": distance_transform_edt(mask),
        "gradient": np.hypot(sobel(reference, 1), sobel(reference, 2)).mean(axis=0),
        **{f"deviation {width}": _deviation(reference, width).mean(axis=0) for width in (3, 15)},
        "brightness": made.mean(axis=0),
        "departure": abs(made - reference).mean(axis=0),
        "neighbours": beside,
    }
    return {name: float(spearmanr(values[mask], error[mask])[0]) for name, values in clues.items()}


def _deviation(image: Array, width: int) -> Array:
    """Standard deviation (C, h, w) within squares."""
    mean, square = (uniform_filter(values, (0, width, width)) for values in (image, image * image))
    return np.sqrt(np.maximum(square - mean * mean, 0))


def changed_land(case: Case, reference: Array, expected: Array) -> float:
    """Error to expect where the land under the cover changed, in that of the rest; NaN if next to none did.

    Changed is what departs from the regression of the truth on the nearest reference, fitted to all pixels, by more
    than three times the usual.
    """
    a = np.c_[reference.reshape(len(reference), -1).T, np.ones(case.mask.size)]
    flat = case.truth.reshape(len(case.truth), -1).T
    made = a @ np.linalg.lstsq(a, flat, rcond=None)[0]
    departs = abs(flat - made).mean(axis=1)
    changed = (departs > 3 * np.median(departs))[case.mask.ravel()]
    return float(expected[changed].mean() / expected[~changed].mean()) if changed.sum() >= 20 else np.nan


def useless(site: str, found: list[Case]) -> None:
    """Print the error with references that do not help, in errors of the smooth fill."""
    ratios = defaultdict(list)
    for case in found[:4]:
        reference, noise = case.earlier[0], np.random.default_rng(0)
        alone = abs(transfer(case, [], [], [])[0] - case.truth)[:, case.mask].mean()
        cloud = 0.6 + 0.1 * gaussian_filter(noise.normal(size=case.mask.shape), 4) * 14 + 0 * reference
        snow = gaussian_filter(noise.normal(size=case.mask.shape), 5) > -0.02
        for name, image in (
            ("all cloud", cloud.astype("f4")),
            ("3 pixels off", np.roll(reference, (3, 3), (1, 2))),
            ("another place", np.ascontiguousarray(reference[:, ::-1, ::-1])),
            ("snow", np.where(snow, 0.3 * reference + 0.5, reference).astype("f4")),
            ("1,000 DN off", reference + np.float32(0.1)),
            ("as it is", reference),
        ):
            made, _, _ = transfer(case, [image], [np.ones(case.mask.shape, bool)], [-10])
            ratios[name].append(abs(made - case.truth)[:, case.mask].mean() / alone)
    if ratios:
        print(f"  {site}, N = {len(found[:4])}, of the smooth fill's error: mean (worst)", end=" ")
        print(", ".join(f"{n} {np.mean(v):.2f} ({max(v):.2f})" for n, v in ratios.items()), flush=True)


def line(name: str, rows: list[dict[str, object]]) -> str:
    mean = {key: np.mean([float(r[key]) for r in rows]) for key in (*COLUMNS, "bias", "rank", "within", "seconds")}  # type: ignore[arg-type]
    changed = [float(str(r["changed"])) for r in rows if np.isfinite(float(str(r["changed"])))]
    errors = " ".join(f"{mean[c]:.4f}" for c in COLUMNS)
    return (
        f"{name:34} N={len(rows):3} {errors} ratio {mean['transfer'] / mean['regression']:.3f} bias {mean['bias']:+.4f}"
        f" rank {mean['rank']:.2f} within {mean['within']:.3f} {mean['seconds']:.1f} s"
        + (
            f" changed {np.mean(changed):.2f} (N={len(changed)}, {sum(c > 1 for c in changed)} over 1)"
            if changed
            else ""
        )
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--count", type=int, default=6, help="cases of each site")
    parser.add_argument("--sites", default=",".join((*CHOOSING, *VERIFYING)))
    parser.add_argument("--useless", action="store_true")
    parser.add_argument("--clues", action="store_true")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    everything: list[dict[str, object]] = []
    print("columns:", ", ".join(COLUMNS))
    for site in args.sites.split(","):
        rows, found = measure(site, args.data, args.count)
        everything += rows
        for kind in ("earlier", "three nearest"):
            if some := [r for r in rows if r["kind"] == kind]:
                print(line(f"{site}, {kind}", some), flush=True)
            if args.clues and some:
                told = [r["clues"] for r in some]
                means = {name: np.mean([c[name] for c in told]) for name in told[0]}  # type: ignore[index]
                print("  rank correlation with the error:", ", ".join(f"{n} {v:.2f}" for n, v in means.items()))
        if args.useless:
            useless(site, found)
    for low, high in zip((0, *DAYS), DAYS, strict=False):
        if some := [r for r in everything if low < int(str(r["days"])) <= high]:
            print(line(f"nearest {low + 1} to {high} days away", some))
    if args.json:
        args.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
