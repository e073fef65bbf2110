"""A date all or nearly all under cloud, with other dates at hand: the error of their ground as it is.

    python benchmarks/overcast.py [--data ../shared/data] [--count 24] [--sites roi146,…] [--clear 0] [--figure PNG]

The truth is exact: up to `count` clear dates of each series of `date_cases.py`, evenly chosen, with a cover laid over
all of it, and again with gaps that leave 1 %. The four nearest other clear dates help. Columns, mean absolute error
under the cover: of the mean of the references; of the nearest as it is; ours (`temporal_interpolation`); then of ours
the error to expect, its rank correlation with the error (mean over the bands) within an image, and the share of values
in the 90 % interval. With gaps some cases may show enough to fit a relation
to; those are left out, and N says how many are left.

`--clear N` has `unclouded.clear` itself clear N dates of each series, the pixels of an overcast date of the place laid
over them (0.58 to 0.62 where it has none), the mask given: guessed (no reference) and ours, the share of pixels taken
from a reference, and the share of values that the mean +- 1.645 uncertainties hold; `--figure` draws the first of each
site.
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
from unclouded.references.statistics import Layout, Reference, block_statistics, merge
from unclouded.references.temporal_interpolation import interpolate

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SITES = ("roi146", "wright", "worldcereal", "tanzania", "belgium", "monthly", "mol", "antwerp")
HELPING, GAPS, SIGMAS = 4, 0.01, 1.645
COLUMNS = ("mean", "nearest", "ours", "expected", "rank", "within")
EPOCH = dt.date(2016, 1, 1).toordinal()
"""The day that the days of a series of no year are counted from."""
UNDATED = ("wright",)
"""Sites whose days are not known: dates are ordered, and none is nearer than another to `temporal_interpolation`."""


@dataclass(frozen=True)
class Case:
    """A clear date, the cover on it, and the dates that help: reflectance (C, H, W) and days, None if not known."""

    bands: tuple[str, ...]
    level: str
    truth: Array
    day: int | None
    cover: Array
    mask: NDArray[np.bool_]
    helping: list[tuple[Array, int | None]]


def cases(data: Path, site: str, count: int, gaps: float) -> Iterator[Case]:
    """Cases of a site; `gaps` is the share that the cover leaves."""
    rng, tops = (np.random.default_rng(seed) for seed in (0, 1))
    for series in all_series(data, site):
        overcast = [i for i in range(len(series.x)) if series.cover[i].mean() > 0.97 and np.isfinite(series.x[i]).all()]
        chosen = np.unique(np.linspace(0, len(series.clear) - 1, count).astype(int))
        for number, t in enumerate(series.clear[i] for i in chosen if count):
            near = sorted((c for c in series.clear if c != t), key=lambda c: abs(series.days[c] - series.days[t]))
            truth = series.x[t]
            mask = np.ones(truth.shape[1:], bool)
            if gaps:
                noise = gaussian_filter(rng.normal(size=mask.shape), max(2, mask.shape[0] / 25))
                mask = noise < np.quantile(noise, 1 - gaps)
            # Not of one value, which would be a hole.
            sky = tops.uniform(0.58, 0.62, truth.shape).astype(np.float32)
            cloud = series.x[overcast[number % len(overcast)]] if overcast else sky
            level = "L1C" if site in ("roi146", "wright") else "L2A"
            when = {c: None if site in UNDATED else day(series, c) for c in (t, *near)}
            helping = [(series.x[c], when[c]) for c in near[:HELPING]]
            yield Case(series.bands, level, truth, when[t], np.where(mask, cloud, truth), mask, helping)


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


def measure(case: Case) -> dict[str, float] | None:
    """The columns of a case; None if it shows enough to fit a relation to."""
    apart = [None if when is None or case.day is None else when - case.day for _, when in case.helping]
    names = tuple(Reference(str(n), case.bands, days) for n, days in enumerate(apart))
    layout = Layout(*case.mask.shape, case.bands, names)
    references = [x for x, _ in case.helping]
    clear = [np.ones(case.mask.shape, bool)] * len(references)
    statistics = merge(layout, [block_statistics(layout, 0, 0, case.cover, ~case.mask, references, clear)])
    interpolation = interpolate(statistics, range(len(references)))
    if interpolation is None:
        return None
    ground = interpolation.predict(0, 0, references, clear, case.mask)
    error, other, nearest = (
        abs(made - case.truth)[:, case.mask]
        for made in (ground.reflectance, np.mean(references, axis=0), references[0])
    )
    expected = ground.error[case.mask]
    return {
        "mean": float(other.mean()),
        "nearest": float(nearest.mean()),
        "ours": float(error.mean()),
        "expected": float(expected.mean()),
        "rank": float(spearmanr(expected, error.mean(axis=0)).statistic) if np.ptp(expected) > 0 else 0.0,
        "within": float((error <= interpolation.interval * expected).mean()),
    }


def cleared(case: Case) -> tuple[dict[str, float], Array]:
    """Error of `unclouded.clear` without and with the other dates, and the image with them."""
    scene = image(case.cover, case.bands, case.day)
    references = [image(x, case.bands, when) for x, when in case.helping]

    def clear(**more: object) -> xr.Dataset:
        made = unclouded.clear(scene, level=case.level, scale=1, offset=0, mask=case.mask, **more)  # type: ignore[arg-type]
        assert isinstance(made, xr.Dataset)
        return made

    guessed, ours = clear(), clear(references=references)
    errors = {
        name: float(abs(made.reflectance.values - case.truth)[:, case.mask].mean())
        for name, made in (("guessed", guessed), ("ours", ours))
    }
    apart, uncertainty = abs(ours.reflectance.values - case.truth)[:, case.mask], ours.uncertainty.values[case.mask]
    errors["taken"] = float((ours.source.values[case.mask] > 1).mean())
    return errors | {"within": float((apart <= SIGMAS * uncertainty).mean())}, ours.reflectance.values


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
    parser.add_argument("--count", type=int, default=24, help="dates of each series")
    parser.add_argument("--sites", default=",".join(SITES))
    parser.add_argument("--clear", type=int, default=0, help="dates of each series for unclouded.clear")
    parser.add_argument("--figure", type=Path)
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    shown = []
    for gaps in (0.0, GAPS):
        means = []
        print(f"{1 - gaps:.0%} covered:", ", ".join(COLUMNS), flush=True)
        for site in args.sites.split(","):
            rows = [row for case in cases(args.data, site, args.count, gaps) if (row := measure(case))]
            means.append({c: float(np.mean([row[c] for row in rows])) for c in COLUMNS})
            figures = " ".join(f"{v:.4f}" if n < 4 else f"{v:.2f}" for n, v in enumerate(means[-1].values()))
            print(f"{site:12} N={len(rows):2} {figures}", flush=True)
            found = [(case, *cleared(case)) for case in cases(args.data, site, args.clear, gaps)]
            for name in ("guessed", "ours", "taken", "within") if found else ():
                print(f"    unclouded.clear, N={len(found)}, {name} {np.mean([row[name] for _, row, _ in found]):.4f}")
            shown += [(f"{site}, {1 - gaps:.0%}", case, made) for case, _, made in found[:1]]
        for other in ("mean", "nearest"):
            ratio = np.exp(np.mean([np.log(row["ours"] / row[other]) for row in means]))
            print(f"error in that of {other}, mean over sites: {ratio:.2f}")
    if args.figure and shown:
        draw(shown, args.figure)


if __name__ == "__main__":
    main()
