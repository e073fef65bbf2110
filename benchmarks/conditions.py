"""What each condition is worth: error under cloud of `unclouded.clear` from visible and NIR alone, and with more.

    python benchmarks/conditions.py [--data ../shared/data] [--count 6]

The site is the one that has radar beside a series: Belgian fields (`worldcereal` of `date_cases.py`), exact truth by
pasted real clouds, the mask given. Rows: B02, B03, B04 and B08 of the scene alone; with its red edge, narrow NIR and
SWIR, which the cloud covers too; with the nearest Sentinel-1 image (VV, VH); with one earlier date; with the three
nearest. Columns: the mean absolute error under the cover over those four bands, also in that of the first row, and in
how many cases it is less.
"""

from __future__ import annotations

import argparse
import datetime as dt
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio
import rioxarray  # noqa: F401 (gives arrays their `rio`)
import xarray as xr
from date_cases import Array, Case, Series, _worldcereal, cases
from rasterio.transform import from_origin

import unclouded

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FOUR = ("B02", "B03", "B04", "B08")
EAST, NORTH, CRS = 500_000, 5_600_000, "EPSG:32631"


def image(values: Array, bands: Sequence[str], day: int | None) -> xr.DataArray:
    """Reflectance (C, h, w) of a day, if it is known, as `unclouded.clear` takes it."""
    height, width = values.shape[1:]
    rows, columns = NORTH - 5 - 10 * np.arange(height), EAST + 5 + 10 * np.arange(width)
    made = xr.DataArray(values, dims=("band", "y", "x"), coords={"band": list(bands), "y": rows, "x": columns})
    if day is not None:
        made.attrs["datetime"] = dt.date.fromordinal(day).isoformat()
    return made.rio.write_crs(CRS)


def radar(data: Path, day: int, path: Path) -> Path:
    """Write VV and VH in dB of the Sentinel-1 image nearest to a day; 10,000 of the archive's integers are one dB."""
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
    both = np.stack(layers).repeat(2, 1).repeat(2, 2)
    profile = {"driver": "GTiff", "count": 2, "height": both.shape[1], "width": both.shape[2], "dtype": "float32",
               "crs": CRS, "transform": from_origin(EAST, NORTH, 10, 10)}  # fmt: skip
    with rasterio.open(path, "w", **profile) as file:
        file.write(both)
        file.descriptions = ("VV", "VH")
    return path


def errors(case: Case, series: Series, data: Path, folder: Path) -> dict[str, float]:
    """Mean absolute error under the cover of each condition."""
    day = next(d for x, d in zip(series.x, series.days, strict=True) if np.array_equal(x, case.truth))
    four = [case.bands.index(band) for band in FOUR]

    def error(values: Array, bands: Sequence[str], **more: object) -> float:
        scene = image(values, bands, day)
        made = unclouded.clear(scene, level="L2A", scale=1, offset=0, mask=case.mask, **more)  # type: ignore[arg-type]
        assert isinstance(made, xr.Dataset)
        cleared = made.reflectance.sel(band=list(FOUR)).values
        return float(abs(cleared - case.truth[four])[:, case.mask].mean())

    few = case.scene[four]
    dates = [
        [image(x[four], FOUR, day + apart) for x, apart in zip(*some, strict=True)]
        for some in ((case.earlier[:1], case.earlier_days[:1]), (case.near, case.near_days))
    ]
    return {
        "nothing": error(few, FOUR),
        "red edge and SWIR": error(case.scene, case.bands),
        "radar": error(few, FOUR, radar=radar(data, day, folder / "radar.tif")),
        "one earlier date": error(few, FOUR, references=dates[0]),
        "three nearest dates": error(few, FOUR, references=dates[1]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--count", type=int, default=6)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    series = _worldcereal(given.data)
    with tempfile.TemporaryDirectory() as folder:
        found = [errors(c, series, given.data, Path(folder)) for c in cases(given.data, "worldcereal", given.count)]
    for name in found[0]:
        mean, base = (np.mean([row[key] for row in found]) for key in (name, "nothing"))
        less = sum(row[name] < row["nothing"] for row in found)
        print(f"{name:20} N={len(found)} {mean:.4f} {mean / base:.2f} of nothing, less in {less}")


if __name__ == "__main__":
    main()
