"""Ground from other dates where nobody gives a mask: `unclouded.clear` by its own detection, against exact truth.

    python benchmarks/own_mask.py [--data ../shared/data] [--count 6] [--sites roi146,…] [--pictures DIR] [--json FILE]

The cases are those of `dates.py`: a clear date under the pixels of a cloudy one. Where a site has no cloudy date
(`composites` of `date_cases.py`), they are those of a cloudy date of the Belgian fields, L2A as these sites are, cut
with its mask. Rows: no other date, one earlier, the three nearest, as arrays that say nothing of what covers them.
Columns: the mean absolute error under the cover of filling with each band's mean around the true mask; ours; ours in
that; the share of the covered pixels that were left in; outside the cover and its rim, how far pixels are changed on
average, and the share of them that is.
"""

from __future__ import annotations

import argparse
import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
from comparison import DATA
from conditions import image
from date_cases import Array, Case, cases, covers, worldcereal
from matplotlib.figure import Figure

import unclouded
from unclouded.bands import TEN

SITES = ("roi146", "worldcereal", "mol", "antwerp", "monthly", "bark beetle", "california A", "california B")
PASTED = ("mol", "antwerp", "monthly", "bark beetle", "california A", "california B")
"""Sites without cloudy dates of their own."""
OF_L1C = ("roi146",)
DAY = 736_000
"""Days count from it, as the cases tell only how many lie between them."""


def with_clouds(case: Case, data: Path, rng: np.random.Generator) -> Case:
    """The case under real clouds of the Belgian fields instead of a flat grey, in the bands that these have."""
    kept = [number for number, band in enumerate(case.bands) if band in TEN]
    bands = tuple(case.bands[number] for number in kept)
    mask, pixels = next(covers(worldcereal(data), case.mask.shape, rng))
    clouds, truth = pixels[[TEN.index(band) for band in bands]], case.truth[kept]
    return replace(
        case,
        bands=bands,
        mask=mask,
        scene=np.where(mask, clouds, truth),
        truth=truth,
        earlier=[values[kept] for values in case.earlier],
        near=[values[kept] for values in case.near],
    )


def measure(site: str, case: Case) -> tuple[list[dict[str, float]], list[Array]]:
    """A row without, with one and with three other dates; and the images."""
    mask, bands = case.mask, case.bands
    level = "L1C" if site in OF_L1C else "L2A"
    mean = np.stack([np.where(mask, band[~mask].mean(), band) for band in case.scene])
    filled = float(abs(mean - case.truth)[:, mask].mean())
    helping = [
        [],
        list(zip(case.earlier[:1], case.earlier_days[:1], strict=True)),
        list(zip(case.near, case.near_days, strict=True)),
    ]
    rows, images = [], [case.scene, mean]
    for others in helping:
        references = [image(values, bands, DAY + apart) for values, apart in others]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            made = unclouded.clear(
                image(case.scene, bands, DAY), references=references, level=level, scale=1, precision="fp32"
            )
        result, opacity = made.reflectance.values, made.opacity.values
        rows.append(
            {
                "mean fill": filled,
                "ours": float(abs(result - case.truth)[:, mask].mean()),
                "missed": float((opacity[mask] == 0).mean()),
                "change": float(abs(result - case.scene)[:, ~mask].mean()),
                "replaced": float((opacity[~mask] > 0).mean()),
            }
        )
        images.append(result)
    return rows, [*images, case.truth]


def draw(path: Path, images: list[Array], bands: tuple[str, ...]) -> None:
    """Scene, mean fill, ours without and with other dates, truth."""
    shown = [bands.index(name) for name in ("B04", "B03", "B02")]
    bright = np.percentile(images[-1][shown], 99)
    figure = Figure(figsize=(18, 3.2), layout="constrained")
    titles = ("scene", "mean fill", "ours", "one earlier", "three nearest", "truth")
    for axes, title, values in zip(figure.subplots(1, len(images)), titles, images, strict=True):
        axes.imshow(np.clip(np.moveaxis(values[shown], 0, -1) / bright, 0, 1))
        axes.set(title=title, xticks=[], yticks=[])
    figure.savefig(path, dpi=90)


def line(name: str, rows: list[dict[str, float]]) -> str:
    mean = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    return (
        f"{name:30} N={len(rows):3} {mean['mean fill']:.4f} {mean['ours']:.4f} of it "
        f"{mean['ours'] / mean['mean fill']:.2f} missed {mean['missed']:5.1%} change {mean['change']:.4f} "
        f"replaced {mean['replaced']:5.1%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--count", type=int, default=6, help="cases of each site")
    parser.add_argument("--sites", default=",".join(SITES))
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    everything = {}
    for site in args.sites.split(","):
        rng, found = np.random.default_rng(0), []
        for number, case in enumerate(cases(args.data, site, args.count)):
            covered = with_clouds(case, args.data, rng) if site in PASTED else case
            rows, images = measure(site, covered)
            found.append(rows)
            if args.pictures:
                args.pictures.mkdir(parents=True, exist_ok=True)
                draw(args.pictures / f"{site.replace(' ', '_')}_{number}.png", images, case.bands)
        everything[site] = found
        for place, kind in enumerate(("no other date", "one earlier", "three nearest")):
            print(line(f"{site}, {kind}", [rows[place] for rows in found]), flush=True)
    if args.json:
        args.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
