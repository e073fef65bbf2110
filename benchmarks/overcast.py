"""A date all or nearly all under cloud, with other dates at hand: error of `unclouded.clear`, and what it says of it.

    python benchmarks/overcast.py [--data ../shared/data] [--count 4] [--sites roi146,…] [--figure PNG]

The truth is exact: up to `count` clear dates of each series of `date_cases.py`, evenly chosen, the pixels of an
overcast date of the place laid over them (0.6 where it has none), once over all of it and once with gaps that leave
1 %, and the mask given. The four nearest other clear dates help. Columns, mean absolute error under the cover: guessed
(no reference); the mean of the references; the nearest as it is; `unclouded.clear` with them; then of the last the
uncertainty, its rank correlation with the error (mean over the bands) within an image, the share of values within 2.3
uncertainties, which 90 % of Laplace's errors are, and the share of pixels taken from a reference. `--figure` draws the
first case of each site.
"""

from __future__ import annotations

import argparse
import datetime as dt
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr
from conditions import image
from date_cases import Array, Series, composites, series_of
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import spearmanr

import unclouded

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SITES = ("roi146", "wright", "worldcereal", "tanzania", "belgium", "monthly", "mol", "antwerp")
HELPING, GAPS = 4, 0.01
COLUMNS = ("guessed", "mean", "nearest", "ours", "uncertainty", "rank", "within", "taken")
EPOCH = dt.date(2016, 1, 1).toordinal()
"""The day that the days of a series without dates are counted from."""


@dataclass(frozen=True)
class Case:
    """A clear date, the cover on it, and the dates that help: reflectance (C, H, W) and days."""

    bands: tuple[str, ...]
    level: str
    truth: Array
    day: int
    cover: Array
    mask: NDArray[np.bool_]
    helping: list[tuple[Array, int]]


def cases(data: Path, site: str, count: int, gaps: float) -> Iterator[Case]:
    """Cases of a site; `gaps` is the share that the cover leaves."""
    rng = np.random.default_rng(0)
    for series in all_series(data, site):
        overcast = [i for i in range(len(series.x)) if series.cover[i].mean() > 0.97 and np.isfinite(series.x[i]).all()]
        chosen = np.unique(np.linspace(0, len(series.clear) - 1, count).astype(int))
        for number, t in enumerate(series.clear[i] for i in chosen):
            near = sorted((c for c in series.clear if c != t), key=lambda c: abs(series.days[c] - series.days[t]))
            truth = series.x[t]
            mask = np.ones(truth.shape[1:], bool)
            if gaps:
                noise = gaussian_filter(rng.normal(size=mask.shape), max(2, mask.shape[0] / 25))
                mask = noise < np.quantile(noise, 1 - gaps)
            cloud = series.x[overcast[number % len(overcast)]] if overcast else np.full_like(truth, 0.6)
            level = "L1C" if site in ("roi146", "wright") else "L2A"
            helping = [(series.x[c], day(series, c)) for c in near[:HELPING]]
            yield Case(series.bands, level, truth, day(series, t), np.where(mask, cloud, truth), mask, helping)


def all_series(data: Path, site: str) -> list[Series]:
    """The series of a site; composites are clear on all dates."""
    if site in ("monthly", "mol", "antwerp"):
        return [
            Series(bands, x, np.zeros((len(x), *x.shape[2:]), bool), days, list(range(len(x))))
            for _, bands, x, days in composites(data, site)
        ]
    return [series_of(data, site)]


def day(series: Series, number: int) -> int:
    """The ordinal of a date."""
    return series.days[number] + (EPOCH if max(series.days) < EPOCH else 0)


def measure(case: Case) -> tuple[dict[str, float], Array]:
    """The columns of a case, and its cleared image."""
    scene = image(case.cover, case.bands, case.day)
    references = [image(x, case.bands, when) for x, when in case.helping]

    def cleared(**more: object) -> xr.Dataset:
        made = unclouded.clear(scene, level=case.level, scale=1, offset=0, mask=case.mask, **more)  # type: ignore[arg-type]
        assert isinstance(made, xr.Dataset)
        return made

    guessed, ours = cleared(), cleared(references=references)
    others = [x for x, _ in case.helping]
    errors = {
        name: abs(np.asarray(made) - case.truth)[:, case.mask]
        for name, made in (
            ("guessed", guessed.reflectance),
            ("mean", np.mean(others, axis=0)),
            ("nearest", others[0]),
            ("ours", ours.reflectance),
        )
    }
    expected, error = ours.uncertainty.values[case.mask], errors["ours"]
    return {name: float(e.mean()) for name, e in errors.items()} | {
        "uncertainty": float(expected.mean()),
        "rank": float(spearmanr(expected, error.mean(axis=0)).statistic),
        "within": float((error <= 2.3 * expected).mean()),
        "taken": float((ours.source.values[case.mask] > 1).mean()),
    }, ours.reflectance.values


def draw(shown: list[tuple[str, Case, Array]], path: Path) -> None:
    """A row a case: the overcast image, the nearest date, ours, the truth; one stretch a row."""
    figure = Figure(figsize=(10, 2.6 * len(shown)), layout="constrained")
    axes = figure.subplots(len(shown), 4, squeeze=False)
    for row, (name, case, made) in zip(axes, shown, strict=True):
        red = [case.bands.index(b) for b in (("B04", "B03", "B02") if "B02" in case.bands else ("B11", "B8A", "B05"))]
        low, high = np.quantile(case.truth[red], (0.01, 0.99))
        pictures = (("overcast", case.cover), ("nearest", case.helping[0][0]), ("ours", made), ("truth", case.truth))
        for axis, (title, picture) in zip(row, pictures, strict=True):
            axis.imshow(np.clip((picture[red] - low) / (high - low), 0, 1).transpose(1, 2, 0))
            axis.set(title=f"{name}, {title}", xticks=[], yticks=[])
    figure.savefig(path, dpi=80)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--count", type=int, default=4, help="dates of each series")
    parser.add_argument("--sites", default=",".join(SITES))
    parser.add_argument("--figure", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    shown = []
    for gaps in (0.0, GAPS):
        rows = []
        print(f"{1 - gaps:.0%} covered:", ", ".join(COLUMNS), flush=True)
        for site in given.sites.split(","):
            found = [(case, *measure(case)) for case in cases(given.data, site, given.count, gaps)]
            mean = {c: float(np.nanmean([row[c] for _, row, _ in found])) for c in COLUMNS}
            rows.append(mean)
            figures = " ".join(f"{v:.4f}" if n < 5 else f"{v:.2f}" for n, v in enumerate(mean.values()))
            print(f"{site:12} N={len(found):2} {figures}", flush=True)
            shown += [(f"{site}, {1 - gaps:.0%}", found[0][0], found[0][2])]
        for other in ("guessed", "mean", "nearest"):
            ratio = np.exp(np.mean([np.log(row["ours"] / row[other]) for row in rows]))
            print(f"error in that of {other}, mean over sites: {ratio:.2f}")
    if given.figure:
        draw(shown, given.figure)


if __name__ == "__main__":
    main()
