"""Patches in the layout of BigEarthNet v1, with its lists, to measure reading and packing on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin

from unclouded.bands import BANDS, L2A

SIDE = 1200
CHANNELS = ("VV", "VH")


def make_folders(root: Path, count: int) -> None:
    """Write `count` patches, at least five, S2 and S1, and the official lists' files for them."""
    rng = np.random.default_rng(0)
    optical = [f"S2A_MSIL2A_20170613T101031_{number % 100}_{number // 100}" for number in range(count)]
    radar = [name.replace("S2A_MSIL2A_20170613T101031", "S1A_IW_GRDH_1SDV_20170613T165043_33UUP") for name in optical]
    corners = {"lrx": SIDE, "lry": 0, "ulx": 0, "uly": SIDE}
    metadata = {"labels": ["Mixed forest", "Pastures"], "projection": "EPSG:32633", "coordinates": corners}
    for s2, s1 in zip(optical, radar, strict=True):
        for name in (s2, s1):
            (root / name).mkdir(parents=True)
            (root / name / f"{name}_labels_metadata.json").write_text(json.dumps(metadata))
        for band in BANDS:
            if band.name in L2A:
                side = SIDE // band.resolution
                # A random walk down each column: as smooth as land, so that it compresses as well.
                dn = rng.normal(0, 25, (side, side)).cumsum(0) + 1500
                _write(root / s2 / f"{s2}_{band.name}.tif", dn.clip(1, 15_000).astype(np.uint16))
        for channel in CHANNELS:
            _write(root / s1 / f"{s1}_{channel}.tif", rng.normal(-14, 3, (120, 120)).astype(np.float32))
    pairs = [f"{s1},{s2},Austria,Summer" for s1, s2 in zip(radar, optical, strict=True)]
    lists = {
        "s1_s2_name_country_season": pairs,
        "patches_with_cloud_and_shadow": optical[:1],
        "patches_with_seasonal_snow": optical[1:2],
        "val": optical[2:3],
        "test": optical[3:4],
        "train": optical[4:],
    }
    for name, lines in lists.items():
        (root / f"{name}.csv").write_text("\n".join(lines) + "\n")


def files_of(root: Path, patch: str, radar: str) -> list[Path]:
    """Return the 14 GeoTIFFs of a patch."""
    return [
        *(root / patch / f"{patch}_{band}.tif" for band in L2A),
        *(root / radar / f"{radar}_{name}.tif" for name in CHANNELS),
    ]


def _write(path: Path, pixels: NDArray[np.generic]) -> None:
    side = pixels.shape[0]
    profile = {"driver": "GTiff", "count": 1, "height": side, "width": side, "dtype": pixels.dtype}
    place = {"crs": "EPSG:32633", "transform": from_origin(300_000, 5_400_000, SIDE / side, SIDE / side)}
    with rasterio.open(path, "w", **profile, **place) as file:
        file.write(pixels, 1)
