"""Whole tiles of real pixels, in all bands at their own resolution: COGs as catalogues have them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.transform import from_origin

from unclouded.bands import BANDS, INDEX

# The catalogue is that of the tests.
sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
import catalogue

SIDE = 10_980
"""Pixels of a tile at 10 m."""

KEYS = {
    "coastal": "B01",
    "blue": "B02",
    "green": "B03",
    "red": "B04",
    "rededge1": "B05",
    "rededge2": "B06",
    "rededge3": "B07",
    "nir": "B08",
    "nir08": "B8A",
    "nir09": "B09",
    "swir16": "B11",
    "swir22": "B12",
    "scl": "SCL",
}
"""Names of a tile's files, as Earth Search calls them, and what they hold."""

_GROUPS = {
    "b10": ("B02", "B03", "B04", "B08"),
    "b20": ("B05", "B06", "B07", "B8A", "B11", "B12"),
    "b60": ("B01", "B09"),
}
_PATCH = 120
_COVERED = 0.3
"""Share of the patches that lie under cloud on a date."""

_OFFSET = 1000
"""Added to the DN, as from processing baseline 04.00 on."""


def made_tile(folder: Path, data: Path, number: int, block: int) -> Path:
    """The folder of the files of a tile's date, which are made unless they are there."""
    tile = folder / f"tile_{block}_{number}"
    if not (tile / "SCL.tif").exists():
        _write_tile(tile, data, number, block)
    return tile


def item_of(front: catalogue.Front, tile: Path, day: str) -> dict:
    """The item of a tile, as Earth Search has it."""
    assets = catalogue.assets_of(front, {key: tile / f"{band}.tif" for key, band in KEYS.items()})
    assets["scl"] = {"href": assets["scl"]["href"], "type": assets["scl"]["type"], "roles": ["data"]}
    left, top = catalogue.LEFT, catalogue.TOP
    outline = catalogue.outline_of(left, top, left + 10 * SIDE, top - 10 * SIDE)
    name = f"S2A_32UPU_{day.replace('-', '')}_0_L2A"
    return catalogue.item(front.address, name, f"{day}T10:10:31Z", assets, outline)


def _write_tile(folder: Path, data: Path, number: int, block: int) -> None:
    """Write the bands and the SCL of date `number` of a tile.

    The land is a mosaic of BigEarthNet's patches, the same on every date but for its brightness; on each date other
    patches of it are covered by the cloudy ones of the data set. The SCL is a real one of another tile at 60 m.

    Args:
        folder: of the files, `<band>.tif`.
        data: the folder ../shared/data.
        number: of the date.
        block: side of the files' blocks in pixels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for band, pixels in [*_bands(data, number), ("SCL", _classes(data))]:
        metres = SIDE * 10 // pixels.shape[0]
        profile = {"driver": "COG", "count": 1, "height": pixels.shape[0], "width": pixels.shape[1], "nodata": 0}
        place = {"crs": catalogue.CRS, "transform": from_origin(catalogue.LEFT, catalogue.TOP, metres, metres)}
        # Categories are not averaged.
        overviews = "NEAREST" if band == "SCL" else "AVERAGE"
        options = {"BLOCKSIZE": block, "COMPRESS": "DEFLATE", "PREDICTOR": "YES", "OVERVIEW_RESAMPLING": overviews}
        with rasterio.open(
            folder / f"{band}.tif",
            "w",
            dtype=pixels.dtype,
            **profile,
            **place,
            **options,
        ) as file:
            file.write(pixels, 1)


def _bands(data: Path, number: int) -> Iterator[tuple[str, NDArray[np.uint16]]]:
    held = np.load(data / "bigearthnet_patches.npz", allow_pickle=False)
    cloudy = held["cloud"].astype(bool)
    cells = -(-SIDE // _PATCH)
    land = np.random.default_rng(0).choice(np.flatnonzero(~cloudy), (cells, cells))
    dice = np.random.default_rng(number + 1)
    covered = dice.random((cells, cells)) < _COVERED
    shown = np.where(covered, dice.choice(np.flatnonzero(cloudy), (cells, cells)), land)
    for group, bands in _GROUPS.items():
        patches = held[group]
        for position, band in enumerate(bands):
            side = patches.shape[-1]
            mosaic = patches[shown, position].swapaxes(1, 2).reshape(cells * side, cells * side)
            pixels = round(SIDE * 10 / BANDS[INDEX[band]].resolution)
            brighter = 1 + 0.01 * number
            yield band, (mosaic[:pixels, :pixels] * brighter + _OFFSET).clip(1, 65535).astype(np.uint16)


def _classes(data: Path) -> NDArray[np.uint8]:
    (path,) = data.glob("safe_metadata/*/GRANULE/*/IMG_DATA/R60m/*_SCL_60m.jp2")
    with rasterio.open(path) as file:
        return file.read(1).repeat(3, 0).repeat(3, 1)


def bytes_of_blocks(path: Path, bounds: tuple[float, float, float, float]) -> int:
    """Bytes of those blocks of a file at full resolution that left, bottom, right and top touch."""
    with rasterio.open(path) as file:
        height, width = file.block_shapes[0]
        left, bottom, right, top = bounds
        (column, row), (last, end) = ~file.transform @ (left, top), ~file.transform @ (right, bottom)
        rows = range(int(max(row, 0)) // height, -(-int(min(np.ceil(end), file.height)) // height))
        columns = range(int(max(column, 0)) // width, -(-int(min(np.ceil(last), file.width)) // width))
        sizes = (file.get_tag_item(f"BLOCK_SIZE_{x}_{y}", "TIFF", bidx=1) for y in rows for x in columns)
        return sum(int(size or 0) for size in sizes)
