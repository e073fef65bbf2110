"""What each condition is worth: error under cloud of `unclouded.clear` from visible and NIR alone, and with more.

    python benchmarks/conditions.py [--data ../shared/data] [--count 6] [--simulated 0]

The site is the one that has radar beside a series: Belgian fields (`worldcereal` of `date_cases.py`), exact truth by
pasted real clouds, the mask given and alone, so that ground is measured and no detection. Rows: B02, B03, B04 and B08
of the scene alone; with its red edge, narrow NIR and SWIR, which the cloud covers too; with the nearest Sentinel-1
image (VV, VH); with one earlier date; with the three nearest. Columns: the mean absolute error under the cover over
those four bands, also in that of the first row, and in how many cases it is less.

`--simulated N` takes cloudy patches of the simulated archive (`unclouded data simulate`) instead, the cover being that
of the simulation, 10 to 85 %: their clear twin is the truth, and the same ground on other days, each with the colours
of an acquisition of its own, helps. In that archive radar and every band see the parcels exactly where they are.
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import rasterio
import rioxarray  # noqa: F401 (gives arrays their `rio`)
import xarray as xr
from date_cases import Array, cases, worldcereal
from numpy.typing import NDArray
from rasterio.transform import from_origin

import unclouded
from unclouded.bands import L2A
from unclouded.data.landscapes.simulation import Recipe, jobs, load
from unclouded.data.packing import Job

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FOUR = ("B02", "B03", "B04", "B08")
SEED, APART, THIN = 11, (-15, 10, 25), 12
"""Of the simulated patches: seed, days to the other dates, and opacity, of 255, from which on a pixel is covered."""
EAST, NORTH, CRS = 500_000, 5_600_000, "EPSG:32631"


def image(values: Array, bands: Sequence[str], day: int | None) -> xr.DataArray:
    """Reflectance (C, h, w) of a day, if it is known, as `unclouded.clear` takes it."""
    height, width = values.shape[1:]
    rows, columns = NORTH - 5 - 10 * np.arange(height), EAST + 5 + 10 * np.arange(width)
    made = xr.DataArray(values, dims=("band", "y", "x"), coords={"band": list(bands), "y": rows, "x": columns})
    if day is not None:
        made.attrs["datetime"] = dt.date.fromordinal(day).isoformat()
    return made.rio.write_crs(CRS)


def radar(data: Path, day: int) -> Array:
    """VV and VH in dB of the Sentinel-1 image nearest to a day; 10,000 of the archive's integers are one dB."""
    (source,) = (data / "worldcereal").glob("S1_GRD-ASCENDING_*.nc")
    layers = []
    for name in ("VV", "VH"):
        with rasterio.Env(GDAL_NETCDF_BOTTOMUP="NO"), rasterio.open(f"netcdf:{source}:{name}") as file:
            tags = file.tags()
            start = dt.datetime.fromisoformat(tags["timestamp#units"].removeprefix("seconds since "))
            seconds = [int(s) for s in tags["NETCDF_DIM_timestamp_VALUES"].strip("{}").split(",")]
            days = [(start + dt.timedelta(seconds=s)).toordinal() for s in seconds]
            nearest = int(np.argmin([abs(d - day) for d in days]))
            layers.append(file.read(nearest + 1).astype("f4") * np.float32(1e-4))
    return np.stack(layers).repeat(2, 1).repeat(2, 2)


def write_radar(both: Array, path: Path) -> Path:
    """Write VV and VH (2, h, w) where the images lie."""
    profile = {"driver": "GTiff", "count": 2, "height": both.shape[1], "width": both.shape[2], "dtype": "float32",
               "crs": CRS, "transform": from_origin(EAST, NORTH, 10, 10)}  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(both)
        file.descriptions = ("VV", "VH")
    return path


@dataclass(frozen=True)
class Covered:
    """A covered scene of a day, its truth and its mask; radar beside it, and other dates, each with its day."""

    bands: tuple[str, ...]
    scene: Array
    truth: Array
    mask: NDArray[np.bool_]
    day: int
    radar: Array
    earlier: list[tuple[Array, int]]
    near: list[tuple[Array, int]]


def fields(data: Path, count: int) -> Iterator[Covered]:
    """The real site."""
    series = worldcereal(data)
    for case in cases(data, "worldcereal", count):
        day = next(d for x, d in zip(series.x, series.days, strict=True) if np.array_equal(x, case.truth))
        earlier, near = (
            [(x, day + apart) for x, apart in zip(*some, strict=True)]
            for some in ((case.earlier[:1], case.earlier_days[:1]), (case.near, case.near_days))
        )
        yield Covered(case.bands, case.scene, case.truth, case.mask, day, radar(data, day), earlier, near)


def simulated(count: int) -> Iterator[Covered]:
    """Cloudy patches of the simulated archive and the same ground on other days."""
    found = 0
    for job in jobs(40 * count, seed=SEED):
        recipe = job.source
        if recipe.image != "X" or found == count:
            continue
        cloudy, sky, backscatter = _patch(job, recipe)
        mask = (sky["opacity"] > THIN) | (sky["shadow"] > THIN)
        if not 0.1 < mask.mean() < 0.85:
            continue
        truth, _, _ = _patch(job, replace(recipe, image="clear"))
        dates = []
        for apart in APART:
            when = recipe.acquisition
            other = replace(when, day=when.day + dt.timedelta(days=apart), seed=when.seed + apart)
            image_then, _, _ = _patch(job, replace(recipe, acquisition=other, image="clear"))
            dates.append((image_then, other.day.toordinal()))
        found += 1
        day = recipe.acquisition.day.toordinal()
        yield Covered(L2A, cloudy, truth, mask, day, backscatter, dates[:1], dates)


def _patch(job: Job, recipe: Recipe) -> tuple[Array, dict[str, NDArray[np.uint8]], Array]:
    """Reflectance (12, h, w) of a simulated patch, its sky (h, w), and VV and VH in dB (2, h, w), if it has them."""
    made = load(replace(job, source=recipe)).values
    held = made[job.patch_id]
    side = held["B02"].shape[0]
    bands = np.stack([held[band].repeat(side // held[band].shape[0], 0).repeat(side // held[band].shape[0], 1)
                      for band in L2A]).astype("f4") * np.float32(1e-4)  # fmt: skip
    sky = {name: held[name] for name in ("opacity", "shadow") if name in held}
    beside = made.get(str(job.row["s1_name"]), {})
    return bands, sky, np.stack(list(beside.values())) if beside else np.empty((0, side, side), np.float32)


def errors(case: Covered, folder: Path) -> dict[str, float]:
    """Mean absolute error under the cover of each condition."""
    four = [case.bands.index(band) for band in FOUR]

    def error(values: Array, bands: Sequence[str], **more: object) -> float:
        scene = image(values, bands, case.day)
        made = unclouded.clear(  # type: ignore[arg-type]
            scene, level="L2A", scale=1, offset=0, mask=case.mask, mask_only=True, **more
        )
        assert isinstance(made, xr.Dataset)
        cleared = made.reflectance.sel(band=list(FOUR)).values
        return float(abs(cleared - case.truth[four])[:, case.mask].mean())

    few = case.scene[four]
    earlier, near = ([image(x[four], FOUR, when) for x, when in some] for some in (case.earlier, case.near))
    return {
        "nothing": error(few, FOUR),
        "red edge and SWIR": error(case.scene, case.bands),
        "radar": error(few, FOUR, radar=write_radar(case.radar, folder / "radar.tif")),
        "one earlier date": error(few, FOUR, references=earlier),
        "three nearest dates": error(few, FOUR, references=near),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--simulated", type=int, default=0, help="patches, in the place of the real site")
    args = parser.parse_args()
    warnings.simplefilter("ignore")
    covered = simulated(args.simulated) if args.simulated else fields(args.data, args.count)
    with tempfile.TemporaryDirectory() as folder:
        found = [errors(case, Path(folder)) for case in covered]
    for name in found[0]:
        mean, base = (np.mean([row[key] for row in found]) for key in (name, "nothing"))
        less = sum(row[name] < row["nothing"] for row in found)
        print(f"{name:20} N={len(found)} {mean:.4f} {mean / base:.2f} of nothing, less in {less}")


if __name__ == "__main__":
    main()
