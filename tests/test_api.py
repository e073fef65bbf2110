from __future__ import annotations

import gc
import subprocess
import sys
import warnings

import numpy as np
import pytest
import rasterio
import torch
import xarray as xr
from affine import Affine
from command_line import run
from rasterio.crs import CRS
from scenes import MemoryScene, active_generator, ground, save_active

import unclouded
from unclouded.clearing.memory import arrays
from unclouded.files import QUALITY_BANDS
from unclouded.models.generator import Generator
from unclouded.models.weights import load_generator, save_generator
from unclouded.models.weights_header import Header
from unclouded.reading.products.array import ArrayScene

FOUR = ("B02", "B03", "B04", "B08")


@pytest.fixture
def scene(tmp_path):
    memory = MemoryScene(ground(4, 60, 70), FOUR)
    memory.dn[:, :4, :5] = 0
    path = tmp_path / "S2A_MSIL2A_20180503T100031_N0207_R122_T32TQM_20180503T120000.tif"
    options = {"driver": "GTiff", "height": 60, "width": 70, "count": 4, "dtype": "uint16", "nodata": 0}
    with rasterio.open(path, "w", crs=memory.info.crs, transform=memory.info.transform, **options) as file:
        file.write(memory.dn)
        file.descriptions = FOUR
    return path


def test_importing_is_cheap():
    code = "import sys, unclouded; assert not {'torch', 'rasterio', 'xarray'} & set(sys.modules); unclouded.clear"
    assert subprocess.run([sys.executable, "-c", code], timeout=20, check=False).returncode == 0


def test_a_path_becomes_a_dataset_that_agrees_with_the_files(scene, weights, tmp_path):
    cleared = unclouded.clear(scene, model=weights, samples=2)
    written = unclouded.clear(scene, tmp_path / "clear.tif", model=weights, samples=2)
    assert cleared.reflectance.dims == ("band", "y", "x") and list(cleared.band.values) == list(FOUR)
    with rasterio.open(written.output) as file:
        dn = file.read()
        assert cleared.spatial_ref.attrs["crs_wkt"] == file.crs.to_wkt()
        assert (cleared.x.values[3], cleared.y.values[2]) == file.xy(2, 3)
    with rasterio.open(written.quality) as file:
        np.testing.assert_array_equal(file.read(), np.stack([cleared[name] for name in QUALITY_BANDS]))
    assert np.isnan(cleared.reflectance.values[:, :4, :5]).all() and np.isnan(cleared.opacity.values[:4, :5]).all()
    np.testing.assert_allclose(cleared.reflectance.values[:, 4:], dn[:, 4:] / 1e4, atol=1e-6)
    assert cleared.uncertainty.max() > 0


def test_an_array_of_reflectance_is_cleared_like_its_file(scene, weights):
    expected = unclouded.clear(scene, model=weights)
    with rasterio.open(scene) as file:
        values = np.where(file.read() == 0, np.nan, file.read() / 1e4).astype(np.float32)
    array = xr.DataArray(values, dims=("band", "y", "x"), coords={"band": list(FOUR), "x": expected.x, "y": expected.y})
    cleared = unclouded.clear(array, model=weights, level="L2A")
    # The file's result is rounded to DN and kept from 0, which is its no-data.
    np.testing.assert_allclose(np.clip(cleared.reflectance, 1e-4, None), expected.reflectance, atol=6e-5)
    np.testing.assert_allclose(cleared.opacity, expected.opacity, atol=1e-5)
    np.testing.assert_array_equal(cleared.x, expected.x)


def test_an_array_of_dn_needs_its_offset(weights, tmp_path):
    array = xr.DataArray(ground(4, 20, 30) + np.uint16(1000), dims=("band", "y", "x"), name="field")
    with pytest.raises(unclouded.InputError, match="field: the DN offset cannot be known"):
        unclouded.clear(array, bands=FOUR, level="L2A", model=weights)
    cleared = unclouded.clear(array, bands=FOUR, level="L2A", offset=-1000, threshold=1, model=weights)
    np.testing.assert_allclose(cleared.reflectance, (array.values - 1000.0) / 1e4, atol=1e-6)
    with pytest.raises(ValueError, match="no coordinate reference system"):
        unclouded.clear(array, tmp_path / "out.tif", bands=FOUR, level="L2A", offset=0, model=weights)


@pytest.mark.parametrize(
    "array, options, message",
    [
        (np.ones((4, 5), "float32"), {"bands": FOUR}, "three dimensions"),
        (np.ones((3, 4, 5), "float32"), {}, "3 bands without names"),
        (np.ones((4, 4, 5), "float32"), {"bands": ("B02", "B03")}, "--bands names 2 bands, the file holds 4"),
        (np.ones((4, 4, 5), "float32"), {"bands": ("B02", "B03", "B04", "B99")}, "unknown band 'B99'"),
        (np.ones((4, 4, 5), "complex64"), {"bands": FOUR}, "complex64"),
        (np.arange(1500, 1580, dtype="float32").reshape(4, 4, 5), {"bands": FOUR}, "the DN offset cannot be known"),
        (np.full((4, 4, 5), np.nan, "float32"), {"bands": FOUR}, "without data in the pixels sampled"),
    ],
)
def test_unusable_arrays_are_refused(weights, array, options, message):
    dims = ("band", "y", "x")[: array.ndim]
    with pytest.raises(unclouded.InputError, match=message):
        unclouded.clear(xr.DataArray(array, dims=dims), level="L2A", model=weights, **options)


@pytest.mark.parametrize("way", ["crs_wkt", "spatial_ref"])
@pytest.mark.parametrize("by", ["coordinates", "GeoTransform"])
def test_an_array_carries_its_georeference_as_gdal_or_cf_do(way, by):
    attributes = {way: CRS.from_epsg(32632).to_wkt()}
    coordinates = {"lat": 5400000 - 10 * np.arange(4) - 5.0, "lon": 600000 + 10 * np.arange(5) + 5.0}
    if by == "GeoTransform":
        attributes["GeoTransform"], coordinates = "600000 10 0 5400000 0 -10", {}
    array = xr.DataArray(np.ones((4, 4, 5), np.float32), dims=("band", "lat", "lon"), coords=coordinates)
    array = array.assign_coords(place=((), 0, attributes)).assign_attrs(grid_mapping="place")
    info = ArrayScene(array, FOUR, "L2A").info
    assert info.crs == CRS.from_epsg(32632)
    assert info.transform.almost_equals(Affine(10, 0, 600000, 0, -10, 5400000))


def test_a_crs_that_cannot_be_read_is_refused():
    array = xr.DataArray(np.ones((4, 4, 5), np.float32), dims=("band", "y", "x"), name="field")
    array = array.assign_coords(spatial_ref=((), 0, {"crs_wkt": "nonsense"}))
    with pytest.raises(unclouded.InputError, match="field: its crs_wkt cannot be read"):
        ArrayScene(array, FOUR, "L2A")


def test_a_scene_beyond_memory_is_refused(scene, weights, monkeypatch):
    monkeypatch.setattr(arrays, "LARGEST", 1000)
    with pytest.raises(unclouded.InputError, match="give `output` to write files instead"):
        unclouded.clear(scene, model=weights)


def test_wrong_arguments_are_input_errors(scene, weights):
    for wrong in ({"samples": 0}, {"threshold": 2.0}, {"device": "tpu"}):
        with pytest.raises(unclouded.InputError, match=next(iter(wrong))):
            unclouded.clear(scene, model=weights, **wrong)
    with pytest.raises(unclouded.InputError, match="mask: is None; a path or an array"):
        unclouded.clear(scene, model=weights, mask=None)


def test_assumptions_are_warnings(scene, weights):
    brightness = np.linspace(1, 1.1, 12, dtype="float32")[:, None, None]  # no two bands are one image
    array = xr.DataArray(
        brightness * np.linspace(0.03, 0.3, 64, dtype="float32").reshape(8, 8), dims=("band", "y", "x")
    )
    with pytest.warns(UserWarning) as caught:
        unclouded.clear(array, model=weights)
    assert [" ".join(str(warning.message).split()[1:3]) for warning in caught] == [
        "band order",
        "scale assumed:",
        "level assumed:",
    ]


def test_load_model_gives_the_network(weights):
    model = unclouded.load_model(weights)
    assert isinstance(model, Generator) and not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert torch.equal(model.prior, active_generator().prior)
    with pytest.raises(OSError, match="no such weights"):
        unclouded.load_model("nothing")


def test_names_of_bands_and_a_reference_may_be_one_text(scene, weights, tmp_path):
    chosen = unclouded.clear(scene, model=weights, bands="B02,B03,B04,B08")
    assert list(chosen.band.values) == list(FOUR)
    with pytest.raises(unclouded.FileError, match=r"may\.tif: no such file"):
        unclouded.clear(scene, model=weights, references=str(tmp_path / "may.tif"))


def test_weights_that_predict_no_error_are_named(scene, tmp_path, recwarn):
    generator = active_generator()
    torch.nn.init.zeros_(generator.error.leave.weight)
    torch.nn.init.constant_(generator.error.leave.bias, -30.0)
    save_generator(generator, Header("silent"), tmp_path / "silent.safetensors")
    unclouded.clear(scene, model=tmp_path / "silent.safetensors")
    assert any("never learnt which error to expect" in str(one.message) for one in recwarn)
    result = run("clear", scene, "--output", tmp_path / "clear.tif", "--model", tmp_path / "silent.safetensors")
    assert result.exit_code == 0 and "never learnt which error to expect" in result.stderr


@pytest.mark.parametrize(("level", "count"), [("L2A", 1), ("L1C", 0)])
def test_weights_of_no_use_for_a_level_warn_for_that_level_alone(scene, tmp_path, recwarn, level, count):
    weights = save_active(tmp_path / "unfit.safetensors", unfit=(level,))
    message = "is L2A, and of images of that level these weights are of no use"
    unclouded.clear(scene, model=weights)
    cube = xr.open_dataset(scene, engine="rasterio", mask_and_scale=False).band_data
    dates = xr.concat([cube, cube], "time").assign_coords(time=np.array(["2024-05-01", "2024-05-06"], "M8[ns]"))
    unclouded.clear_series(dates, model=weights, level="L2A", offset=0)
    assert sum(message in str(one.message) for one in recwarn) == 2 * count
    # Even where they leave all as it is, which is what little use may look like.
    result = run("clear", scene, "--output", tmp_path / "kept.tif", "--model", weights, "--threshold", 1)
    assert result.exit_code == 0 and result.stderr.count(message) == count
    assert "0.0% of the pixels changed" in result.stdout
    result = run("clear", scene, "--output", tmp_path / "clear.tif", "--model", weights)
    assert result.exit_code == 0 and result.stderr.count(message) == count


def test_bundled_weights_that_show_a_method_name_the_levels_they_are_of_no_use_on():
    unfit = {name: load_generator(name)[1].unfit for name in ("default", "paper", "unpaired")}
    assert unfit == {"default": (), "paper": ("L1C", "L2A"), "unpaired": ("L1C",)}


def test_files_of_other_dates_are_closed(dates, detecting_weights):
    gc.collect()  # what tests before have left open
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", ResourceWarning)
        unclouded.clear(dates[0], references=dates[1:], model=detecting_weights)
        gc.collect()
    assert not [str(one.message) for one in caught if one.category is ResourceWarning]
