"""Masks on the grid of a scene: any grid, any whole numbers, nothing guessed beyond their edge."""

from dataclasses import replace

import numpy as np
import pytest
import rasterio
import xarray as xr
from affine import Affine
from rasterio.transform import from_origin
from rasterio.warp import transform as to_crs
from rasters import CRS, EAST, NORTH
from scenes import MemoryScene, ground

from unclouded.bands import L1C
from unclouded.clearing.inputs import open_inputs
from unclouded.clearing.options import ClearOptions
from unclouded.errors import FileError, InputError
from unclouded.reading.array_classification import NO_VALUE
from unclouded.reading.mask import mask_as_file, open_mask


@pytest.fixture
def info():
    return MemoryScene(ground(13, 60, 80), L1C).info


def write_mask(path, values, metres=10, east=EAST, north=NORTH, crs=CRS, **options):
    place = {} if crs is None else {"crs": crs, "transform": from_origin(east, north, metres, metres)}
    height, width = values.shape[-2:]
    with rasterio.open(
        path, "w", driver="GTiff", height=height, width=width, count=1, dtype=values.dtype, **place, **options
    ) as file:
        file.write(values.reshape(height, width), 1)
    return path


def test_on_the_scenes_own_grid(info, tmp_path):
    values = np.random.default_rng(0).integers(0, 4, (60, 80)).astype(np.uint8)
    with open_mask(write_mask(tmp_path / "mask.tif", values), info) as mask:
        assert mask.values == (0, 1, 2, 3)
        np.testing.assert_array_equal(mask.read(10, 20, 30, 40), values[10:40, 20:60])


def test_coarser_pixels_are_repeated_and_nothing_lies_beyond_the_edge(info, tmp_path):
    coarse = np.arange(1, 13, dtype=np.uint8).reshape(3, 4)  # 20 m pixels over the first 6 x 8 pixels
    with open_mask(write_mask(tmp_path / "scl.tif", coarse, metres=20), info) as mask:
        found = mask.read(0, 0, 60, 80)
    np.testing.assert_array_equal(found[:6, :8], coarse.repeat(2, 0).repeat(2, 1))
    assert (found[6:] == NO_VALUE).all()
    assert (found[:, 8:] == NO_VALUE).all()


@pytest.mark.parametrize(("rows", "columns", "said"), [(60, 40, "50%"), (45, 80, "25%"), (60, 80, None)])
def test_the_part_of_a_scene_beyond_the_edge_of_its_only_mask_is_told(tmp_path, rows, columns, said):
    scene = MemoryScene(ground(13, 60, 80), L1C)
    mask = write_mask(tmp_path / "clouds.tif", np.zeros((rows, columns), np.uint8))
    expected = () if said is None else (f"{mask}: {said} of scene.tif lies beyond its edge and stays as it is; give",)
    with open_inputs(scene, ClearOptions(mask=str(mask), mask_classes="boolean", mask_only=True)) as inputs:
        assert len(inputs.notes) == len(expected)
        assert all(note.startswith(start) for note, start in zip(inputs.notes, expected, strict=True))
    # There the own detection has its say.
    with open_inputs(scene, ClearOptions(mask=str(mask), mask_classes="boolean")) as inputs:
        assert not inputs.notes


@pytest.mark.parametrize("west", [179.9936, -180.0064])
def test_a_mask_in_degrees_across_180_is_refused_rather_than_read_in_part(info, tmp_path, west):
    at_180 = replace(info, crs=rasterio.CRS.from_epsg(32701), transform=from_origin(180_150, 8_118_300, 10, 10))
    path = write_mask(tmp_path / "m.tif", np.ones((128, 128), np.uint8), 1e-4, west, -16.9936, "EPSG:4326")
    refused = pytest.raises(InputError, match=r"m\.tif: goes on across 180 degrees.*gdalwarp -t_srs EPSG:32701")
    with refused, open_mask(path, at_180):
        pass


def test_another_coordinate_reference_system(info, tmp_path):
    (west, east), (south, north) = to_crs(CRS, "EPSG:4326", [EAST - 200, EAST + 1000], [NORTH - 800, NORTH + 200])
    values = np.ones((400, 400), np.uint8)
    step = max(east - west, north - south) / 400
    with rasterio.open(
        tmp_path / "m.tif",
        "w",
        driver="GTiff",
        height=400,
        width=400,
        count=1,
        dtype="uint8",
        crs="EPSG:4326",
        transform=from_origin(west, north, step, step),
    ) as file:
        file.write(values, 1)
    with open_mask(tmp_path / "m.tif", info) as mask:
        assert (mask.read(0, 0, 40, 60) == 1).all()


def test_notes_do_not_depend_on_the_window(info, tmp_path):
    values = np.random.default_rng(1).integers(0, 2, (50, 50)).astype(np.uint8)
    with open_mask(write_mask(tmp_path / "m.tif", values, metres=15, east=EAST - 33, north=NORTH + 21), info) as mask:
        whole = mask.read(0, 0, 60, 80)
        np.testing.assert_array_equal(mask.read(13, 29, 17, 31), whole[13:30, 29:60])


def test_no_data_is_unknown(info, tmp_path):
    values = np.full((60, 80), 255, np.uint8)
    values[:30] = 1
    with open_mask(write_mask(tmp_path / "m.tif", values, nodata=255), info) as mask:
        assert mask.values == (1,)
        assert (mask.read(30, 0, 30, 80) == NO_VALUE).all()


def test_without_georeference_it_must_have_the_scenes_size(info, tmp_path):
    fits = write_mask(tmp_path / "fits.tif", np.ones((60, 80), np.uint8), crs=None)
    with open_mask(fits, info) as mask:
        assert mask.values == (1,)
    with pytest.raises(InputError, match=r"other\.tif: has no place on the ground and 70 x 60 pixels, the scene 80 x"):
        open_mask(write_mask(tmp_path / "other.tif", np.ones((60, 70), np.uint8), crs=None), info)


def test_of_a_scene_without_place_one_of_its_size_is_its_own_and_bare_coordinates_are_those_of_the_mask(info, tmp_path):
    values = (np.random.default_rng(3).random((60, 80)) > 0.5).astype(np.uint8)
    path = write_mask(tmp_path / "m.tif", values)
    with open_mask(path, replace(info, crs=None, transform=Affine.identity())) as mask:
        np.testing.assert_array_equal(mask.read(0, 0, 60, 80), values)
    shifted = info.transform @ Affine.translation(3, 2)
    with open_mask(path, replace(info, crs=None, transform=shifted, width=50, height=40)) as mask:
        np.testing.assert_array_equal(mask.read(0, 0, 40, 50), values[2:42, 3:53])


def test_what_is_no_mask_is_refused_in_one_line(info, tmp_path):
    with pytest.raises(InputError, match="does not overlap scene"):
        open_mask(write_mask(tmp_path / "far.tif", np.ones((60, 80), np.uint8), east=EAST + 50_000), info)
    with pytest.raises(InputError, match=r"fractions such as 0\.25; classes or true and false"):
        _ = open_mask(write_mask(tmp_path / "p.tif", np.full((60, 80), 0.25, np.float32)), info).values
    with pytest.raises(InputError, match="holds -7 to -7; classes from 0 on"):
        _ = open_mask(write_mask(tmp_path / "n.tif", np.full((60, 80), -7, np.int16)), info).values
    with pytest.raises(FileError, match="no such file"):
        open_mask(tmp_path / "none.tif", info)


def test_of_a_dataset_its_only_variable_is_the_mask(info):
    values = xr.DataArray(np.eye(60, 80, dtype=np.uint8), dims=("y", "x"))
    with mask_as_file(values.to_dataset(name="SCL"), info) as path, open_mask(path, info) as mask:
        np.testing.assert_array_equal(mask.read(0, 0, 60, 80), values)
    with pytest.raises(InputError, match="mask: is a Dataset with the variables a, b; give one of them"):
        mask_as_file(xr.Dataset({"a": values, "b": values}), info).__enter__()


def test_arrays(info):
    values = np.random.default_rng(2).random((60, 80)) > 0.5
    with mask_as_file(values, info) as path, open_mask(path, info) as mask:
        assert mask.values == (0, 1)
        np.testing.assert_array_equal(mask.read(5, 6, 7, 8), values[5:12, 6:14])
    coarse = xr.DataArray(
        np.arange(12).reshape(3, 4),
        {"y": NORTH - 100 - 200 * np.arange(3), "x": EAST + 100 + 200 * np.arange(4)},
        ("y", "x"),
    )
    with mask_as_file(coarse, info) as path, open_mask(path, info) as mask:
        np.testing.assert_array_equal(mask.read(0, 0, 60, 80), coarse.values.repeat(20, 0).repeat(20, 1))
    with pytest.raises(InputError, match=r"shape \(3,\)"), mask_as_file(np.zeros(3, bool), info):
        pass


@pytest.mark.parametrize("names", [("y", "x"), ("lat", "lon"), ("Y", "X")])
def test_the_dimensions_of_a_data_array_are_known_by_their_names(info, names):
    values = np.random.default_rng(0).integers(0, 2, (60, 80)).astype(bool)
    placed = {names[0]: NORTH - 5 - 10.0 * np.arange(60), names[1]: EAST + 5 + 10.0 * np.arange(80)}
    for at in ({}, placed):
        array = xr.DataArray(values, dims=names, coords=at).expand_dims("band").transpose(names[1], "band", names[0])
        with mask_as_file(array, info) as path, open_mask(path, info) as mask:
            np.testing.assert_array_equal(mask.read(0, 0, 60, 80), values)
    with mask_as_file(xr.DataArray(values), info) as path, open_mask(path, info) as mask:
        np.testing.assert_array_equal(mask.read(0, 0, 60, 80), values)
    for dims in (("lon", "up"), ("a", "b"), ("y", "lat")):
        with (
            pytest.raises(InputError, match=r"mask: has the dimensions .*rename"),
            mask_as_file(xr.DataArray(values, dims=dims), info),
        ):
            pass


def test_outlines_and_folders_are_no_masks(info, tmp_path):
    (tmp_path / "clouds.geojson").write_text('{"type": "FeatureCollection"}')
    with pytest.raises(FileError, match=r"clouds\.geojson: .* but outlines and no image; .*gdal_rasterize"):
        open_mask(tmp_path / "clouds.geojson", info)
    with pytest.raises(InputError, match=r"is a folder; a file of one band is accepted"):
        open_mask(tmp_path, info)
