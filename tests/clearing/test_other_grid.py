"""`--crs` and `--resolution`: the finished result on another grid, reflectance interpolated, codes never."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import rasterio
from command_line import run
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.transform import from_origin
from rasterio.warp import reproject, transform_bounds
from scenes import active_generator, fields

import unclouded
from unclouded.errors import InputError
from unclouded.models.weights import save_generator
from unclouded.models.weights_header import Header
from unclouded.reading.grids.area import box_area
from unclouded.reading.grids.geojson import geometry_area
from unclouded.reading.grids.output_grid import as_written
from unclouded.reading.reader import ReadOptions

BANDS = ("B02", "B03", "B04", "B08")
LEFT, TOP, SIDE = 600000, 5400000, 320
EUROPE = ["--crs", "EPSG:3035", "--resolution", 10]


def write_scene(path, left=LEFT, top=TOP, crs="EPSG:32632", shift=0, nodata=0, dtype="uint16"):
    dn = fields(BANDS, SIDE, SIDE, [(150 + shift, 150, 30), (60, 260, 20)], field=32)
    dn[:, :40, :40] = 0
    profile = {"driver": "GTiff", "height": SIDE, "width": SIDE, "count": 4, "dtype": dtype, "tiled": True}
    if dtype == "float32":
        dn = np.where(dn == 0, np.float32(np.nan), dn / np.float32(10_000))
    with rasterio.open(path, "w", crs=crs, transform=from_origin(left, top, 10, 10), nodata=nodata, **profile) as file:
        file.write(dn)
        file.descriptions = BANDS
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "active.safetensors"
    save_generator(active_generator(), Header("active", detector="none", threshold=0.2), path)
    return path


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    name = "S2A_MSIL2A_20180510T101031_N0206_R022_T32UNU_20180510T120000.tif"
    return write_scene(tmp_path_factory.mktemp("scene") / name)


def info_of(path, area=None):
    with ReadOptions(area=area).open(str(path)) as opened:
        return opened.info


def box(row, column, height, width):
    bounds = LEFT + 10 * column, TOP - 10 * (row + height), LEFT + 10 * (column + width), TOP - 10 * row
    return ",".join(map(str, transform_bounds("EPSG:32632", "EPSG:4326", *bounds)))


def test_a_grid_has_its_corners_at_multiples_of_its_pixels(scene):
    info = info_of(scene)
    assert as_written(info) == as_written(info, "EPSG:32632") == as_written(info, None, 10) == info
    coarse = as_written(info, None, 60)
    assert tuple(coarse.transform)[:6] == (60, 0, LEFT, 0, -60, TOP) and (coarse.width, coarse.height) == (54, 54)
    europe = as_written(info, "EPSG:3035")
    assert europe.transform.a == 10 and europe.transform.c % 10 == europe.transform.f % 10 == 0
    left, bottom, right, top = transform_bounds("EPSG:32632", "EPSG:3035", LEFT, TOP - 3200, LEFT + 3200, TOP)
    assert 0 <= left - europe.transform.c < 10 and 0 <= europe.transform.f - top < 10
    assert 0 <= europe.transform.c + 10 * europe.width - right < 10
    assert 0 <= bottom - (europe.transform.f - 10 * europe.height) < 10


def test_dates_of_an_area_lie_on_one_grid_whatever_their_zones(scene, tmp_path):
    (x,), (y,) = rasterio.warp.transform("EPSG:32632", "EPSG:32633", [LEFT], [TOP])
    other = write_scene(tmp_path / "zone_33_L2A.tif", round(x) - 500, round(y) + 500, "EPSG:32633")
    field = box_area(box(100, 100, 60, 70))
    west, south, east, north = field.bounds
    corners = [[west, south], [east, south], [east, north], [west, south]]
    for area in (field, geometry_area({"type": "Polygon", "coordinates": [corners]}, "triangle")):
        one, two = (
            as_written(ReadOptions(area=area, level="L2A", offset=0).open(str(path)).info, "EPSG:3035")
            for path in (scene, other)
        )
        assert (one.crs, one.transform, one.width, one.height) == (two.crs, two.transform, two.width, two.height)
        assert 60 <= one.height < 90 and 70 <= one.width < 90


@pytest.mark.parametrize(("crs", "resolution"), [("EPSG:4326", 0.0001), ("EPSG:3857", None)])
def test_a_reference_system_that_tears_a_scene_at_180_degrees_is_refused(scene, crs, resolution):
    info = replace(info_of(scene), crs=CRS.from_epsg(32701), transform=from_origin(178_950, 8_119_600, 10, 10))
    with pytest.raises(InputError, match=f"--crs {crs}: tears .* apart.*EPSG:32701"):
        as_written(info, crs, resolution)
    around = as_written(info, "EPSG:3832")  # Mercator around 150 degrees east
    assert all(SIDE < length < 1.1 * SIDE for length in (around.width, around.height))


@pytest.mark.parametrize(
    ("crs", "resolution", "why"),
    [
        ("EPSG:4326", None, "needs --resolution, in degrees; pixels of .* are 0.0001"),
        ("EPSG:4326", 10, "--resolution 10: is in degrees, the unit of EPSG:4326"),
        ("EPSG:3035", 0.0001, "is in metre, the unit of EPSG:3035; pixels of .* are 10"),
        (None, 0, "--resolution 0: is in metre"),
        ("EPSG:99999", 10, "is no coordinate reference system; accepted are codes as EPSG:3035"),
        ("Europe", 10, "is no coordinate reference system"),
    ],
)
def test_what_is_no_grid_is_refused_before_any_work(scene, tmp_path, crs, resolution, why):
    with pytest.raises(InputError, match=why):
        as_written(info_of(scene), crs, resolution)
    asked = ([] if crs is None else ["--crs", crs]) + ([] if resolution is None else ["--resolution", resolution])
    result = run("clear", scene, "--output", tmp_path / "clear.tif", *asked)
    assert result.exit_code == 2 and result.stderr.count("error: ") == 1 and list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("area", [[], ["--bbox", box(100, 100, 90, 110)]])
def test_reflectance_is_interpolated_and_quality_and_classes_are_the_nearest(scene, weights, tmp_path, area):
    words = [scene, *area, "--model", weights, "--write-mask"]
    assert run("clear", *words, "--output", tmp_path / "own.tif").exit_code == 0
    result = run("clear", *words, *EUROPE, "--output", tmp_path / "europe.tif")
    assert result.exit_code == 0, result.stderr

    for ending, how in (("", "bilinear"), ("_quality", "nearest"), ("_mask", "nearest")):
        with (
            rasterio.open(tmp_path / f"own{ending}.tif") as own,
            rasterio.open(tmp_path / f"europe{ending}.tif") as new,
        ):
            assert new.crs == "EPSG:3035" and new.res == (10, 10) and new.descriptions == own.descriptions
            assert new.dtypes == own.dtypes and new.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            found, expected = new.read(), np.zeros((own.count, *new.shape), own.dtypes[0])
            reproject(
                rasterio.band(own, list(own.indexes)),
                expected,
                dst_transform=new.transform,
                dst_crs=new.crs,
                src_nodata=own.nodata,
                dst_nodata=own.nodata,
                resampling=Resampling[how],
            )
        if how == "nearest":
            np.testing.assert_array_equal(found, expected)
        else:
            shown = found[0] > 0
            assert shown.all() if area else 0.9 < shown.mean() < 0.99  # a corner of the scene holds no data
            np.testing.assert_allclose(found[:, shown], expected[:, shown], atol=1)
            with rasterio.open(tmp_path / "europe_quality.tif") as quality:
                np.testing.assert_array_equal(shown, np.isfinite(quality.read(1)))

    item = json.loads((tmp_path / "europe.json").read_text())
    properties = item["properties"]
    assert properties["proj:code"] == "EPSG:3035" and properties["proj:shape"] == list(found.shape[1:])
    assert properties["proj:transform"][0] == 10 and properties["unclouded:resampled"] is True
    own = json.loads((tmp_path / "own.json").read_text())
    assert "unclouded:resampled" not in own["properties"]
    assert properties["unclouded:changed"] == own["properties"]["unclouded:changed"]
    np.testing.assert_allclose(item["bbox"], own["bbox"], atol=0.001)


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
def test_undeclared_no_data_leave_no_fringe(scene, weights, tmp_path, dtype):
    path = write_scene(tmp_path / scene.name, nodata=None, dtype=dtype)
    for name, asked in (("own", []), ("europe", EUROPE)):
        result = run("clear", path, "--model", weights, *asked, "--output", tmp_path / f"{name}.tif")
        assert result.exit_code == 0, result.stderr
    read = {}
    for name in ("own", "own_quality", "europe", "europe_quality"):
        with rasterio.open(tmp_path / f"{name}.tif") as file:
            read[name] = file.read(1)
    held, known = np.isfinite(read["own_quality"]), np.isfinite(read["europe_quality"])
    assert held.sum() == SIDE**2 - 40**2 and 0.9 < known.mean() < 0.99
    after = read["europe"]
    np.testing.assert_array_equal(np.isfinite(after) if dtype == "float32" else after > 0, known)
    # What is interpolated lies between its neighbours.
    assert after[known].min() >= read["own"][held].min() - 1e-6


def test_a_grid_that_is_the_scene_s_own_changes_nothing(scene, weights, tmp_path):
    made = []
    for name, asked in (("own", []), ("same", ["--crs", "EPSG:32632", "--resolution", 10])):
        result = run("clear", scene, "--model", weights, *asked, "--output", tmp_path / f"{name}.tif")
        assert result.exit_code == 0, result.stderr
        made.append((tmp_path / f"{name}.tif").read_bytes())
    assert made[0] == made[1]


def test_masks_have_the_nearest_class(scene, tmp_path):
    assert run("mask", scene, "--output", tmp_path / "own.tif").exit_code == 0
    assert run("mask", scene, *EUROPE, "--output", tmp_path / "europe.tif").exit_code == 0
    with rasterio.open(tmp_path / "own.tif") as own, rasterio.open(tmp_path / "europe.tif") as new:
        assert new.crs == "EPSG:3035" and new.nodata == 255
        assert set(np.unique(new.read())) <= {*np.unique(own.read()), 255}
        assert new.colormap(1)[1] == own.colormap(1)[1]


def test_a_series_on_another_grid_has_all_that_a_series_has(scene, weights, tmp_path):
    pytest.importorskip("zarr")
    later = write_scene(tmp_path / scene.name.replace("20180510", "20180520"), shift=60)
    words = [scene, later, "--bbox", box(60, 60, 150, 160), "--model", weights, *EUROPE]
    result = run("series", *words, "--composite", "median", "--ndvi", "--gif", "--zarr", "--output", tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"series.zarr", "series.gif", "ndvi.csv", "composite_median.tif", "series.html"} <= made
    with rasterio.open(tmp_path / "out" / "composite_median.tif") as composite:
        assert composite.crs == "EPSG:3035" and composite.res == (10, 10)
    assert run("report", tmp_path / "out" / later.name, "--output", tmp_path / "page.html").exit_code == 0


def test_a_dataset_keeps_the_scene_s_grid(scene, weights, tmp_path):
    with pytest.raises(InputError, match="is cleared on its own grid; give `output`"):
        unclouded.clear(scene, model=weights, crs="EPSG:3035")
    cleared = unclouded.clear(scene, tmp_path / "clear.tif", model=weights, crs="EPSG:3035")
    with rasterio.open(cleared.output) as file:
        assert file.crs == "EPSG:3035"
