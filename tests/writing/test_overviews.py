"""Overviews are those that GDAL makes of the same pixels."""

from __future__ import annotations

import numpy as np
import pytest
import rasterio
from rasterio.io import MemoryFile
from rasterio.shutil import copy
from rasterio.transform import from_origin

from unclouded.writing.overviews import sizes, write_overview


def raster(pixels, nodata):
    count, height, width = pixels.shape
    place = {"crs": "EPSG:32632", "transform": from_origin(600000, 5400000, 10, 10)}
    size = {"count": count, "height": height, "width": width}
    file = MemoryFile().open(driver="GTiff", dtype=pixels.dtype, nodata=nodata, **size, **place)
    file.write(pixels)
    return file


def overview(pixels, nodata, how):
    ((height, width),) = sizes(*pixels.shape[1:], max(pixels.shape[1:]) - 1)
    target = raster(np.zeros((len(pixels), height, width), pixels.dtype), nodata)
    write_overview(raster(pixels, nodata), target, nodata, how)
    return target.read()


def by_gdal(pixels, nodata, how, path):
    copy(raster(pixels, nodata), path, driver="COG", blocksize=256, overview_resampling=how)
    with rasterio.open(path, overview_level=0) as file:
        return file.read()


@pytest.mark.parametrize("size", [(400, 300), (403, 301), (1, 303), (400, 2)])
@pytest.mark.parametrize(
    ("how", "dtype", "nodata"),
    [
        ("AVERAGE", "uint16", 0),
        ("AVERAGE", "uint16", None),
        ("AVERAGE", "int16", -9999),
        ("MODE", "uint8", 255),
        ("MODE", "uint8", None),
        ("NEAREST", "uint16", 0),
    ],
)
def test_whole_numbers_are_those_of_gdal(tmp_path, size, how, dtype, nodata):
    rng = np.random.default_rng(0)
    pixels = rng.integers(1, 5 if how == "MODE" else 200, (2, *size)).astype(dtype)
    if nodata is not None:
        pixels[:, rng.random(size) < 0.3] = nodata
        pixels[:, : size[0] // 3, : size[1] // 3] = nodata
    made, expected = overview(pixels, nodata, how), by_gdal(pixels, nodata, how, tmp_path / "cog.tif")
    if how == "AVERAGE" and any(side % 2 for side in size):
        # Pixels weigh fractions, and what lies half between two numbers is rounded either way.
        assert np.abs(made.astype(int) - expected).max() <= 1
        assert (made == expected).mean() > 0.99
    else:
        np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_mean_leaves_out_what_holds_no_data(dtype):
    pixels = np.array([[[1, np.nan, np.nan, np.nan], [3, 8, np.nan, np.nan]]], dtype)
    np.testing.assert_array_equal(overview(pixels, np.nan, "AVERAGE"), np.array([[[4, np.nan]]], dtype))


def test_sizes_halve_down_to_one_block():
    assert list(sizes(5490, 600, 512)) == [(2745, 300), (1372, 150), (686, 75), (343, 37)]
    assert list(sizes(3, 4000, 512)) == [(1, 2000), (1, 1000), (1, 500)]
    assert not list(sizes(512, 512, 512))


def test_overviews_do_not_depend_on_how_many_rows_are_made_at_once(monkeypatch):
    pixels = np.random.default_rng(0).integers(1, 9000, (1, 331, 90)).astype(np.uint16)
    expected = overview(pixels, 0, "AVERAGE")
    monkeypatch.setattr("unclouded.writing.overviews._ROWS", 7)
    np.testing.assert_array_equal(overview(pixels, 0, "AVERAGE"), expected)
