"""Dates of one place as files: the same fields under other clouds, for the tests of series."""

from __future__ import annotations

import numpy as np
import rioxarray  # noqa: F401 (gives arrays their `rio`)
import xarray as xr
from rasters import CRS, EAST, NORTH, write
from scenes import fields

FOUR = ("B02", "B03", "B04", "B08")
HEIGHT, WIDTH = 130, 150
CLOUDS = {
    "20180503": ((60, 50, 18),),
    "20180508": (),
    "20180518": ((40, 100, 20), (100, 30, 14)),
}


def name_of(day: str) -> str:
    """A product's name, which says level, offset and date."""
    return f"S2A_MSIL2A_{day}T100031_N0207_R122_T32TQM_{day}T120000"


def dn_of(day: str) -> np.ndarray:
    """DN (4, h, w) of a date; each is a little brighter than the one before."""
    dn = fields(FOUR, HEIGHT, WIDTH, CLOUDS[day])
    return (dn * (1 + 0.05 * list(CLOUDS).index(day))).clip(1, 16000).astype(np.uint16)


def write_dates(folder):
    """Write all of them; return their paths in order of time."""
    return [write(folder / f"{name_of(day)}.tif", dn_of(day), names=FOUR, nodata=0) for day in CLOUDS]


def cube_of_dates():
    """All of them as reflectance (time, band, y, x), with what tells where they lie."""
    made = xr.DataArray(
        np.stack([dn_of(day) for day in CLOUDS]).astype(np.float32) / 10_000,
        dims=("time", "band", "y", "x"),
        coords={
            "time": np.array([f"{day[:4]}-{day[4:6]}-{day[6:]}T10:00:31" for day in CLOUDS], "datetime64[ns]"),
            "band": list(FOUR),
            "y": NORTH - 5.0 - 10 * np.arange(HEIGHT),
            "x": EAST + 5.0 + 10 * np.arange(WIDTH),
        },
        name="place",
    )
    return made.rio.write_crs(CRS)
