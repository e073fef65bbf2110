"""Scores on real L2A images of one Belgian site against its nearest clear day; what is compared as in `pairs.py`.

    python benchmarks/pairs_l2a.py [--weights default] [--data ../shared/data] [--days 10]
                                   [--pictures DIR] [--json FILE]

The site (WorldCereal, 640 by 640 m, August 2017 to November 2018) was never trained on. All images show the same
fields and houses: N images are not N places, and their mean says little about other land.

Cloudy is what the scene classification of the product (SCL) calls cloud, cirrus or shadow. A day of which it calls 20
to 95 % so is paired with the nearest clear day at most `--days` away, of two as near with the earlier. SCL misses haze
and takes thick cloud for snow, so a day counts as clear if SCL calls at most 2 % of it cloudy and no more than 2 % of
its pixels are hazy: B02 - 0.5 B04 exceeds 0.05. Soil and plants move along the line that is subtracted, haze leaves it
(the haze-optimised transform of Zhang et al. 2002, with numbers that part the clear days of this site from those that
show haze or cloud to the eye). Shadow that SCL misses is not looked for; the pictures show none on the truths.

The truth is of another day, so part of every error is the land's own change. The last row of the table and the table of
days apart say how large that is: couples of clear days exactly as far apart as cloudy image and truth are, of any
season. 10 days at most, because up to there the change does not grow with the days.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from comparison import DATA, OURS, Candidates, draw, print_each, print_row, table
from numpy.typing import NDArray
from rasterio.errors import NotGeoreferencedWarning
from scipy import ndimage

from unclouded.bands import BANDS, TEN
from unclouded.clearing.options import ClearOptions
from unclouded.clearing.patch import clear_patch
from unclouded.evaluation.paired import PairedErrors, average, compare
from unclouded.models.weights import load_generator

SCL_CLOUDY = (3, 8, 9, 10)
"""Cloud shadow, cloud of medium and high probability, thin cirrus."""
PARTLY, CLEAR = (0.20, 0.95), 0.02
HAZE = 0.05
RADAR_DAYS = 3
LIMITS = (2, 3, 5, 7, 8, 10, 13, 15)


@dataclass(frozen=True)
class Site:
    """All days of the site, brought to 10 m.

    Attributes:
        days: (T,) datetime64[D].
        reflectance: (T, 10, H, W) in the order of `bands.TEN`.
        cloudy: (T, H, W) by SCL.
        radar_days: (R,) datetime64[D].
        radar: (R, 2, H, W) VV and VH in dB.
    """

    days: NDArray[np.datetime64]
    reflectance: NDArray[np.float32]
    cloudy: NDArray[np.bool_]
    radar_days: NDArray[np.datetime64]
    radar: NDArray[np.float32]

    @property
    def partly(self) -> NDArray[np.intp]:
        """The days of which SCL calls 20 to 95 % cloudy."""
        share = self.cloudy.mean(axis=(1, 2))
        return np.flatnonzero((share >= PARTLY[0]) & (share <= PARTLY[1]))

    @property
    def hazy(self) -> NDArray[np.bool_]:
        """(T, H, W) bluer than any clear ground here."""
        blue, red = (self.reflectance[:, TEN.index(name)] for name in ("B02", "B04"))
        return blue - 0.5 * red > HAZE

    @property
    def clear(self) -> NDArray[np.intp]:
        """The days that can be a truth."""
        shares = (mask.mean(axis=(1, 2)) for mask in (self.cloudy, self.hazy))
        return np.flatnonzero(np.logical_and(*(share <= CLEAR for share in shares)))

    def apart(self, one: int, other: int) -> int:
        """Days between two."""
        return int(abs(self.days[one] - self.days[other]).astype(int))

    def pairs(self, limit: int) -> Iterator[tuple[int, int]]:
        """Each partly cloudy day with its truth, where there is one at most `limit` days away."""
        for cloudy in self.partly:
            truth = min(self.clear, key=lambda day, cloudy=cloudy: (self.apart(cloudy, day), day))
            if self.apart(cloudy, truth) <= limit:
                yield int(cloudy), int(truth)

    def radar_near(self, day: int) -> NDArray[np.float32] | None:
        """The radar image of the nearest day at most 3 days away."""
        apart = abs(self.radar_days - self.days[day]).astype(int)
        return self.radar[apart.argmin()] if apart.min() <= RADAR_DAYS else None


def load_site(folder: Path) -> Site:
    """Read the site's netCDF files."""
    (fine,), (coarse,), (radar,) = (
        list(folder.glob(f"{name}_*.nc")) for name in ("S2_L2A_10m", "S2_L2A_20m", "S1_GRD*")
    )
    bands = [_read(fine if band.resolution == 10 else coarse, band.name)[0] for band in BANDS if band.name in TEN]
    classes, days = load_scl(folder), _read(coarse, "B05", enlarge=False)[1]
    backscatter, radar_days = zip(*(_read(radar, name) for name in ("VV", "VH")), strict=True)
    return Site(
        days=days,
        reflectance=np.stack(bands, axis=1) * np.float32(1e-4),
        cloudy=np.isin(classes, SCL_CLOUDY),
        radar_days=radar_days[0],
        radar=np.stack(backscatter, axis=1) * np.float32(1e-4),
    )


def load_scl(folder: Path) -> NDArray[np.uint8]:
    """The scene classification (T, H, W) of all days, brought to 10 m."""
    (coarse,) = folder.glob("S2_L2A_20m_*.nc")
    classes, _ = _read(coarse, "SCL", enlarge=False)
    return classes.astype(np.uint8).repeat(2, axis=1).repeat(2, axis=2)


def _read(path: Path, name: str, *, enlarge: bool = True) -> tuple[NDArray[np.float32], NDArray[np.datetime64]]:
    """A variable (T, H, W) as it is stored, at 10 m (bilinear, as the product does it), and its days."""
    with rasterio.Env(GDAL_NETCDF_BOTTOMUP="NO"), warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        file = rasterio.open(f"netcdf:{path}:{name}")
    with file:
        values, tags = file.read().astype(np.float32), file.tags()
    if (values == file.nodata).any():
        raise SystemExit(f"{path}: {name} has pixels without data; this benchmark takes images that are whole")
    start = np.datetime64(tags["timestamp#units"].removeprefix("seconds since ").replace(" ", "T"))
    seconds = np.array(tags["NETCDF_DIM_timestamp_VALUES"].strip("{}").split(","), np.int64)
    if enlarge and values.shape[1] == 32:
        values = ndimage.zoom(values, (1, 2, 2), order=1, mode="nearest", grid_mode=True)
    return values, (start + seconds.astype("timedelta64[s]")).astype("datetime64[D]")


def change(site: Site, apart: int, mask: NDArray[np.bool_]) -> list[PairedErrors]:
    """How much couples of clear days differ that are so many days apart."""
    couples = [(a, b) for a in site.clear for b in site.clear if a < b and site.apart(a, b) == apart]
    return [compare(site.reflectance[a], site.reflectance[b], mask) for a, b in couples]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", default="default")
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--pictures", type=Path)
    args = parser.parse_args()
    generator, header = load_generator(args.weights)
    print(f"weights {header.name}, {header.steps} steps, SHA-256 {header.sha256[:16]}")

    site = load_site(args.data / "worldcereal")
    pairs = list(site.pairs(args.days))
    print(f"one site, {len(site.days)} days: {len(site.partly)} partly cloudy, {len(site.clear)} clear")
    counts = ", ".join(f"{limit}: {len(list(site.pairs(limit)))}" for limit in LIMITS)
    print(f"pairs by the most days from cloudy image to truth: {counts}")

    results, rows, exact = [], {}, ClearOptions(precision="fp32")
    for cloudy, truth in pairs:
        image, mask = site.reflectance[cloudy], site.cloudy[cloudy]
        cleared, opacity, _ = clear_patch(image, TEN, "L2A", generator, exact)
        ours = {OURS: cleared}
        if (radar := site.radar_near(cloudy)) is not None:
            ours["ours with radar"] = clear_patch(image, TEN, "L2A", generator, exact, radar=radar)[0]
        apart = site.apart(cloudy, truth)
        name = f"{site.days[cloudy]} ({apart} d)"
        results.append(Candidates.of(name, image, site.reflectance[truth], mask, ours, opacity))
        for row, errors in results[-1].errors().items():
            rows.setdefault(row, []).append(errors)
        rows.setdefault("change between clear days", []).append(average(change(site, apart, mask)))
    everything = np.ones(len(pairs), bool)
    near = np.array([site.apart(*pair) <= 5 for pair in pairs])
    bare = np.array([site.hazy[cloudy][~site.cloudy[cloudy]].mean() < 0.5 for cloudy, _ in pairs])
    report = {
        "all": table(rows, everything, f"Images of one site, not places; truth at most {args.days} days away"),
        "near": table(rows, near, "Of these, truth at most 5 days away"),
        "bare": table(rows, bare, "Of these, less than half of what SCL calls neither cloud nor shadow is hazy"),
    }
    print_each(results, rows)

    print("\nChange between clear days, all pixels")
    whole = np.ones(site.cloudy.shape[1:], bool)
    report["change"] = {}
    for apart in range(1, max(LIMITS) + 1):
        if couples := change(site, apart, whole):
            report["change"][apart] = print_row(f"{apart} days apart, {len(couples)} couples", couples)
    if args.json:
        args.json.write_text(json.dumps({"weights": header.sha256, "n": len(pairs), **report}, indent=1))
    if args.pictures:
        draw(results, TEN, args.pictures / "pairs_l2a.png", across=2)


if __name__ == "__main__":
    main()
