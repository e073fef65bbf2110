"""Take the bundled sample, real cloudy BigEarthNet v2 patches, from the test data of the `configilm` package.

    pip download configilm==0.7.1 --no-deps
    python scripts/take_sample.py configilm-0.7.1-py3-none-any.whl

The package holds the patches as LMDB with safetensors values, which keep no georeference. It follows from the name:
BigEarthNet cuts tiles into patches of 1200 m and names each by its tile, column and row.
"""

from __future__ import annotations

import argparse
import tempfile
import zipfile
from pathlib import Path

import lmdb
import pyarrow.parquet
import rasterio
from rasterio.transform import from_origin
from safetensors.numpy import load

TEST_DATA = "configilm/extra/mock_data/BENv2"
CATALOGUE = f"{TEST_DATA}/metadata_for_patches_with_snow_cloud_or_shadow.parquet"
PATCHES = (
    "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_38_87",
    "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_70_40",
)
# Of tile T33UUP. Checked against the coordinates that BigEarthNet v1 gives for its patches 33UUP 61_39 to 61_41.
CRS, EAST, NORTH = "EPSG:32633", 300_000, 5_400_000
SIDE = 1200
SAMPLE = Path(__file__).resolve().parents[1] / "src" / "unclouded" / "sample"


def unpack(wheel: Path, folder: Path) -> None:
    """Unpack the BigEarthNet v2 test data of the package into a folder."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder, [name for name in archive.namelist() if name.startswith(f"{TEST_DATA}/")])


def write_patch(patch: str, tensors: bytes, folder: Path) -> None:
    """Write a patch in the layout of BigEarthNet v2: a folder with one GeoTIFF for each band."""
    column, row = (int(part) for part in patch.split("_")[-2:])
    (folder / patch).mkdir(parents=True, exist_ok=True)
    for band, dn in sorted(load(tensors).items()):
        with rasterio.open(
            folder / patch / f"{patch}_{band}.tif",
            "w",
            driver="GTiff",
            height=dn.shape[0],
            width=dn.shape[1],
            count=1,
            dtype=dn.dtype,
            crs=CRS,
            transform=from_origin(EAST + column * SIDE, NORTH - row * SIDE, SIDE / dn.shape[1], SIDE / dn.shape[0]),
            compress="deflate",
            predictor=2,
        ) as file:
            file.write(dn, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("wheel", type=Path)
    wheel = parser.parse_args().wheel
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        unpack(wheel, folder)
        rows = pyarrow.parquet.read_table(folder / CATALOGUE).to_pylist()
        cloudy = {row["patch_id"] for row in rows if row["contains_cloud_or_shadow"]}
        with lmdb.open(str(folder / TEST_DATA / "BigEarthNet-V2-LMDB"), readonly=True, lock=False) as archive:
            with archive.begin() as transaction:
                for patch in PATCHES:
                    if patch not in cloudy:
                        raise SystemExit(f"{wheel}: {patch} is not flagged cloudy; take configilm 0.7.1.")
                    write_patch(patch, transaction.get(patch.encode()), SAMPLE)
                    print(SAMPLE / patch)


if __name__ == "__main__":
    main()
