"""Take the bundled sample: real cloudy BigEarthNet v2 patches from the data that the package `configilm` ships.

    pip download configilm==0.7.1 --no-deps
    python scripts/take_sample.py configilm-0.7.1-py3-none-any.whl --output src/unclouded/sample

Writes the patches flagged with cloud or shadow in BigEarthNet v2's own layout, one GeoTIFF per band. The LMDB holds
pixels only, so the georeference is worked out from the patch's name (see `corner`).
"""

from __future__ import annotations

import argparse
import io
import tempfile
import zipfile
from pathlib import Path

import lmdb
import pyarrow.parquet
import rasterio
from rasterio.transform import from_origin
from safetensors.numpy import load

_DATA = "configilm/extra/mock_data/BENv2"
_FLAGS = f"{_DATA}/metadata_for_patches_with_snow_cloud_or_shadow.parquet"
_SIDE = 1200
"""Metres along a patch."""

_TILES = {"T33UUP": ("EPSG:32633", 300_000, 5_400_000)}
"""Upper left corner of the Sentinel-2 tiles that the sample lies in: x, y in metres of their UTM zone."""

_WANTED = ("S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_38_87", "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_70_40")
"""Of the flagged patches, those with enough clear ground to see what was done."""


def corner(patch: str) -> tuple[str, float, float]:
    """CRS and upper left corner of a patch: its name ends in tile, column and row, counted in patches.

    BigEarthNet-S1's patches of the same tile, which are georeferenced, confirm the rule.
    """
    *_, tile, column, row = patch.split("_")
    crs, left, top = _TILES[tile]
    return crs, left + int(column) * _SIDE, top - int(row) * _SIDE


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    with zipfile.ZipFile(args.wheel) as wheel, tempfile.TemporaryDirectory() as folder:
        flags = pyarrow.parquet.read_table(io.BytesIO(wheel.read(_FLAGS))).to_pylist()
        cloudy = {row["patch_id"] for row in flags if row["contains_cloud_or_shadow"]}
        for name in ("data.mdb", "lock.mdb"):
            (Path(folder) / name).write_bytes(wheel.read(f"{_DATA}/BigEarthNet-V2-LMDB/{name}"))
        with lmdb.open(folder, readonly=True, lock=False) as archive, archive.begin() as transaction:
            for patch in _WANTED:
                if patch not in cloudy:
                    raise SystemExit(f"{args.wheel}: {patch} is not flagged with cloud or shadow")
                write(patch, transaction.get(patch.encode()), args.output)


def write(patch: str, value: bytes, output: Path) -> None:
    """Write one patch's bands as GeoTIFFs."""
    crs, left, top = corner(patch)
    folder = output / patch
    folder.mkdir(parents=True, exist_ok=True)
    for band, pixels in load(value).items():
        height, width = pixels.shape
        with rasterio.open(
            folder / f"{patch}_{band}.tif",
            "w",
            driver="GTiff",
            height=height,
            width=width,
            count=1,
            dtype="uint16",
            crs=crs,
            transform=from_origin(left, top, _SIDE / width, _SIDE / height),
            compress="deflate",
            predictor=2,
        ) as file:
            file.write(pixels.astype("uint16"), 1)


if __name__ == "__main__":
    main()
