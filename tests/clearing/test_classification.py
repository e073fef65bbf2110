"""The scene classification that comes with a product or item: found by itself, joined where clouds are, else silent."""

from __future__ import annotations

import json

import numpy as np
import pytest
import rasterio
import rioxarray  # noqa: F401 (gives arrays their `rio`)
import xarray as xr
from command_line import run
from rasters import item, write
from scenes import CLOUDS, fields

import unclouded
from unclouded.reading.grids.array_grid import pixel_centres
from unclouded.reading.reader import open_scene

SIZE = 300, 560
SHORT = ("B02", "B03", "B04", "B08", "B11", "B12")


@pytest.fixture(scope="module")
def weights(detecting_weights):
    return detecting_weights


def classes():
    """SCL at 20 m: the clouds in part, snow in the east, and a roof far from every cloud that is called cloud."""
    values = np.full((SIZE[0] // 2, SIZE[1] // 2), 5, np.uint8)
    for row, column, radius in CLOUDS:
        rows, columns = np.indices(values.shape) * 2
        values[np.hypot(rows - row, columns - column) < 1.3 * radius] = 9
    values[:, 230:] = 11
    values[120:130, 200:210] = 9
    return values


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("item")
    for band, dn in zip(SHORT, fields(SHORT, *SIZE), strict=True):
        write(folder / f"{band}.tif", dn[None])
    write(folder / "scl.tif", classes()[None], metres=20)
    return folder


def described(folder, bands=SHORT, name="item.json", scl="scl.tif"):
    assets = {key: {"href": f"{key}.tif", "type": "image/tiff"} for key in bands}
    return item(folder / name, assets | {"scl": {"href": scl}}, **{"s2:processing_baseline": "02.09"})


@pytest.fixture(scope="module")
def source(files):
    return described(files)


def read(path):
    with rasterio.open(path) as opened:
        return opened.read()


def test_it_is_combined_with_the_detection_and_reported(source, weights, tmp_path):
    result = run("clear", source, "--output", tmp_path / "a.tif", "--model", weights, "--write-mask")
    assert result.exit_code == 0, result.stderr
    assert "detected by our own detection, joined with the scene classification" in result.stderr
    plain = run("clear", source, "--output", tmp_path / "n.tif", "--model", weights, "--write-mask", "--mask", "none")
    assert plain.exit_code == 0 and "detected by" not in plain.stderr
    both, alone = (read(tmp_path / f"{name}_quality.tif")[0] for name in "an")
    assert (both > 0).sum() > (alone > 0).sum()
    # No more of the roof and the snow, though SCL says cloud of the one: nothing was found there.
    assert abs((both > 0)[220:, 380:].mean() - (alone > 0)[220:, 380:].mean()) < 0.002
    record = json.loads((tmp_path / "a.json").read_text())["properties"]
    mask = read(tmp_path / "a_mask.tif")[0]
    assert record["eo:cloud_cover"] == pytest.approx(100 * np.isin(mask, (1, 2)).mean(), abs=0.01)
    assert record["eo:snow_cover"] == pytest.approx(100 * 50 / 280, abs=0.01)
    assert record["unclouded:changed"] == pytest.approx((mask != 0).mean(), abs=1e-6)
    assert "joined with" in record["unclouded:detection"]
    assert f"cloud cover {record['eo:cloud_cover']:.1f}%, snow cover 17.9%" in result.stdout
    without = json.loads((tmp_path / "n.json").read_text())["properties"]
    assert "eo:snow_cover" not in without and without["unclouded:detection"] == "our own detection"


def test_python_and_the_mask_command_do_the_same(source, weights, tmp_path):
    joined = unclouded.clear(source, model=weights)
    assert "joined with the scene classification" in joined.attrs["detection"]
    result = run("mask", source, "--output", tmp_path / "m.tif", "--mask", "none")
    assert result.exit_code == 0 and "detected by" not in result.stderr
    bundled = unclouded.clear(source, mask="none")
    np.testing.assert_array_equal(read(tmp_path / "m.tif")[0] != 0, bundled.opacity.values > 0)
    result = run("mask", source, "--output", tmp_path / "j.tif")
    assert "joined with the scene classification" in result.stderr and "% of the pixels covered, cloud" in result.stdout
    item = json.loads((tmp_path / "j.json").read_text())["properties"]
    assert {"eo:cloud_cover", "eo:snow_cover", "unclouded:covered"} <= set(item)
    far = tmp_path / "far.tif"
    write(far, np.ones((1, 9, 9), np.uint8), transform=rasterio.Affine(10, 0, 9e5, 0, -10, 5e6))
    result = run("mask", source, "--output", tmp_path / "x.tif", "--mask", far)
    assert result.exit_code == 2 and "does not overlap" in result.stderr and not (tmp_path / "x.tif").exists()
    result = run("mask", source, source.parent / "B02.tif", "--output", f"{tmp_path}/x/", "--mask", far)
    assert result.exit_code == 2 and "belongs to one scene" in result.stderr


def test_mask_only_takes_it_alone(source, weights):
    cleared = unclouded.clear(source, model=weights, mask_only=True)
    assert cleared.attrs["detection"].endswith("scl.tif alone")
    called = (classes() == 9).repeat(2, 0).repeat(2, 1)
    assert (cleared.opacity.values[called] == 1).all()
    assert not cleared.opacity.values[:, 460:].any()


def test_bands_too_few_for_detection_need_it(files, weights, tmp_path):
    few = described(files, ("B11", "B12"), "few.json")
    result = run("clear", few, "--output", tmp_path / "few.tif", "--model", weights)
    assert result.exit_code == 0, result.stderr
    assert "detected by" in result.stderr and "scl.tif alone" in result.stderr
    result = run("clear", few, "--output", tmp_path / "none.tif", "--model", weights, "--mask", "none")
    assert result.exit_code == 2 and "give --mask, or add B02" in result.stderr


def test_one_that_does_not_fit_or_is_damaged_is_no_reason_to_stop_for_good(files, weights, tmp_path):
    write(files / "far.tif", classes()[None], metres=20, transform=rasterio.Affine(20, 0, 9e5, 0, -20, 5e6))
    (files / "damaged.tif").write_bytes((files / "scl.tif").read_bytes()[:300])
    for name in ("far.tif", "damaged.tif"):
        source = described(files, name="other.json", scl=name)
        result = run("clear", source, "--output", tmp_path / "out.tif", "--model", weights)
        assert result.exit_code == 2 and len(result.stderr.strip().splitlines()) == 1, result.stderr
        assert name in result.stderr and result.stderr.strip().endswith("--mask none")
    assert not list(tmp_path.iterdir())


def test_an_interrupted_run_knows_of_its_pixels(source, weights):
    from unclouded.clearing.inputs import open_inputs
    from unclouded.clearing.options import ClearOptions
    from unclouded.clearing.passes import Clearing
    from unclouded.models.weights import load_generator

    generator = load_generator(weights)[0]
    with open_scene(source) as scene:
        read, snow = {}, {}
        for mask in ("auto", "none"):
            with open_inputs(scene, ClearOptions(mask=mask)) as inputs:
                clearing = Clearing(inputs, generator, ClearOptions(mask=mask))
                read[mask], snow[mask] = clearing.summarise(), clearing.snow
    assert {name for name in read["auto"] if read["auto"][name] != read["none"][name]} == {"classification pixels"}
    assert snow["none"] is None and snow["auto"] == pytest.approx(50 / 280)


def test_a_series_looks_for_it_unless_switched_off(files, tmp_path):
    result = run("series", files / "item.json", files / "B02.tif", "--output", tmp_path, "--mask", "scl.tif")
    assert result.exit_code == 2 and "'scl.tif' is not one of 'auto', 'none'" in result.stderr


@pytest.fixture(scope="module")
def dataset(source):
    """The item as loaders of catalogues give it."""
    with open_scene(source) as scene:
        dn, at = scene.read(0, 0, *SIZE), pixel_centres(scene.info)
    bands = {band: (("y", "x"), values) for band, values in zip(SHORT, dn, strict=True)}
    return xr.Dataset(bands | {"SCL": (("y", "x"), classes().repeat(2, 0).repeat(2, 1))}, at).rio.write_crs(32632)


@pytest.mark.parametrize("form", ["dataset", "stack", "cube", "file", "chunks", "GeoTIFF"])
def test_that_of_an_array_is_joined_as_that_of_files(form, dataset, source, weights, tmp_path):
    forms = {
        "dataset": lambda: dataset,
        "stack": lambda: dataset.to_dataarray("band").astype("float32"),
        "cube": lambda: xr.Dataset({"dn": dataset[list(SHORT)].to_dataarray("band"), "scl": dataset.SCL}),
        "file": lambda: dataset.sortby("y").to_netcdf(tmp_path / "a.nc") or tmp_path / "a.nc",
        "GeoTIFF": lambda: write(tmp_path / "a.tif", dataset.to_dataarray("band").values, names=(*SHORT, "SCL")),
        "chunks": lambda: dataset.chunk(y=130, x=200),
    }
    given = {"level": "L2A", "offset": 0, "model": weights}
    cleared = unclouded.clear(forms[form](), **given)
    assert cleared.attrs["detection"] == "our own detection, joined with the scene classification SCL"
    np.testing.assert_equal(cleared.sizes["band"], len(SHORT))
    assert np.array_equal(cleared.opacity, unclouded.clear(source, model=weights).opacity)
    if form not in ("file", "GeoTIFF"):
        alone = unclouded.clear(forms[form](), **given, mask_only=True)
        assert alone.attrs["detection"] == "SCL alone" and (alone.opacity.values[dataset.SCL == 9] == 1).all()


def test_each_date_of_a_cube_has_its_own(dataset, weights):
    other = dataset.assign({band: dataset[band] + 9 for band in SHORT}).assign(SCL=dataset.SCL * 0 + 5)
    two = xr.concat([dataset, other], xr.Variable("time", np.array(["2020-01-01", "2020-02-01"], "M8[ns]")))
    covered = unclouded.clear_series(two, level="L2A", offset=0, model=weights, mask_only=True, mask=["auto"] * 2)
    assert (covered.opacity.values > 0).any(axis=(1, 2)).tolist() == [True, False]


def test_one_whose_numbers_are_no_classes_is_refused_and_what_fills_it_is_none(dataset, weights):
    given = {"level": "L2A", "offset": 0, "model": weights}
    with pytest.raises(unclouded.InputError, match=r"dataset: its SCL holds 0.0005.*neither scaled nor interpolated"):
        unclouded.clear(dataset.assign(SCL=dataset.SCL * 1e-4), **given)
    filled = dataset.assign(SCL=dataset.SCL.where(dataset.SCL != 9, 255).astype("uint8"))
    assert not unclouded.clear(filled, **given, mask_only=True).opacity.any()
