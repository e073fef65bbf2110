"""Radar on the grid of a scene."""

from dataclasses import replace

import numpy as np
import pytest
from affine import Affine
from hypothesis import given
from hypothesis import strategies as st
from rasterio.transform import from_origin
from rasters import EAST, NORTH, pixels, write

from unclouded.errors import InputError
from unclouded.reading.radar import open_radar
from unclouded.reading.reader import open_scene


def decibels(height=60, width=60, seed=0):
    """Random backscatter (2, height, width), VV above VH."""
    base = np.random.default_rng(seed).uniform(-20, -5, (2, height, width))
    return (base - np.array([0, 7])[:, None, None]).astype(np.float32)


@pytest.fixture
def scene(tmp_path):
    with open_scene(write(tmp_path / "scene.tif", pixels(1, 60, 60), names=["B02"])) as opened:
        yield opened


@pytest.mark.parametrize(("names", "order"), [(None, [0, 1]), (("VV", "VH"), [0, 1]), (("VH dB", "VV dB"), [1, 0])])
def test_a_stack_on_the_same_grid(tmp_path, scene, names, order):
    values = decibels()
    values[0, 5, 6], values[1, 7, 8] = np.nan, -np.inf
    with open_radar(write(tmp_path / "radar.tif", values, names=names), scene.info) as radar:
        found = radar.read(2, 3, 30, 40)
    # What one channel lacks, the other does not have either.
    expected = np.where(np.isfinite(values).all(0), values, np.nan)[order, 2:32, 3:43]
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


def test_of_a_scene_without_place_that_of_its_size_is_on_its_grid(tmp_path, scene):
    values = decibels()
    path, bare = write(tmp_path / "radar.tif", values), replace(scene.info, crs=None)
    for info in (bare, replace(bare, transform=Affine.identity())):
        with open_radar(path, info) as radar:
            np.testing.assert_array_equal(radar.read(2, 3, 30, 40), values[:, 2:32, 3:43])
    with pytest.raises(InputError, match=r"radar\.tif: has 60 x 60 pixels, the scene.* 50 x 60; georeference"):
        open_radar(path, replace(info, width=50))


def test_a_folder_with_a_file_for_each_channel(tmp_path, scene):
    values = decibels()
    for position, channel in enumerate(("VV", "VH")):
        write(tmp_path / "S1A_patch" / f"S1A_patch_{channel}.tif", values[position : position + 1])
    with open_radar(tmp_path / "S1A_patch", scene.info) as radar:
        np.testing.assert_array_equal(radar.read(0, 0, 60, 60), values)
    (tmp_path / "S1A_patch" / "S1A_patch_VH.tif").unlink()
    with pytest.raises(InputError, match="holds 0 files named …_VH"):
        open_radar(tmp_path / "S1A_patch", scene.info)


def test_real_bigearthnet_radar(shared_data):
    folder = shared_data / "bigearthnet_v1_layout"
    with (
        open_scene(folder / "S2A_MSIL2A_20170617T113321_36_85") as scene,
        open_radar(folder / "S1A_IW_GRDH_1SDV_20170617T064724_29UPU_36_85", scene.info) as radar,
    ):
        vv, vh = radar.read(0, 0, 120, 120)
    assert -30 < np.nanmedian(vh) < np.nanmedian(vv) < 0


def test_no_data_becomes_nan(tmp_path, scene):
    values = decibels()
    values[:, 10:20, 10:20] = -9999
    with open_radar(write(tmp_path / "radar.tif", values, nodata=-9999), scene.info) as radar:
        assert np.isnan(radar.read(10, 10, 10, 10)).all()
        np.testing.assert_array_equal(radar.read(20, 20, 10, 10), values[:, 20:30, 20:30])


@pytest.mark.parametrize("nodata", [None, -9999])
def test_radar_of_another_grid_is_brought_to_the_scenes(tmp_path, scene, nodata):
    values = np.repeat(np.linspace(-20, -10, 40, dtype=np.float32)[None, None], 2, 0).repeat(20, 1)
    place = from_origin(EAST - 100, NORTH + 100, 20, 20)
    options = {} if nodata is None else {"nodata": nodata}
    with open_radar(write(tmp_path / "radar.tif", values, transform=place, **options), scene.info) as radar:
        found = radar.read(0, 0, 60, 60)
    # 400 m of radar from 100 m north of the scene: it ends 300 m below the scene's upper edge.
    assert np.isfinite(found[:, :30]).all()
    assert np.isnan(found[:, 30:]).all()
    expected = np.interp(EAST + 5 + 10 * np.arange(60), EAST - 90 + 20 * np.arange(40), values[0, 0])
    np.testing.assert_allclose(found[0, 4], expected, atol=1e-3)


@given(st.data())
def test_a_window_of_warped_radar_equals_the_crop(tmp_path_factory, data):
    root = tmp_path_factory.getbasetemp()
    path, other = root / "scene_for_radar.tif", root / "radar_of_another_zone.tif"
    if not other.exists():
        write(path, pixels(1, 60, 60), names=["B02"])
        # The same ground in the zone to the east: about 159 km west of its central meridian less the overlap.
        write(other, decibels(400, 400), crs="EPSG:32633", transform=from_origin(158000, 5413000, 20, 20))
    row, column = data.draw(st.integers(0, 59)), data.draw(st.integers(0, 59))
    height, width = data.draw(st.integers(1, 60 - row)), data.draw(st.integers(1, 60 - column))
    with open_scene(path) as scene, open_radar(other, scene.info) as radar:
        whole = radar.read(0, 0, 60, 60)
        part = radar.read(row, column, height, width)
    assert np.isfinite(whole).any()
    np.testing.assert_array_equal(part, whole[:, row : row + height, column : column + width])


def test_radar_that_does_not_fit_is_refused(tmp_path, scene):
    linear = write(tmp_path / "linear.tif", 10 ** (decibels() / 10))
    with pytest.raises(InputError, match="so it is not in dB"):
        open_radar(linear, scene.info)
    far = write(tmp_path / "far.tif", decibels(), transform=from_origin(EAST + 9000, NORTH, 10, 10))
    with pytest.raises(InputError, match=r"does not overlap .*scene\.tif"):
        open_radar(far, scene.info)
    single = write(tmp_path / "single.tif", decibels()[:1])
    with pytest.raises(InputError, match="holds 1 bands"):
        open_radar(single, scene.info)
    nowhere = write(tmp_path / "nowhere.tif", decibels(), crs=None)
    with pytest.raises(InputError, match="has no coordinate reference system"):
        open_radar(nowhere, scene.info)


def test_windows_outside_the_grid_are_a_mistake(tmp_path, scene):
    with (
        open_radar(write(tmp_path / "radar.tif", decibels()), scene.info) as radar,
        pytest.raises(ValueError, match="leaves the 60 x 60 grid"),
    ):
        radar.read(0, 50, 10, 11)


def test_two_bands_without_names_need_vh_and_vv(tmp_path, scene):
    swapped = write(tmp_path / "snap.tif", decibels()[::-1])
    with pytest.raises(InputError, match=r"snap\.tif: its second band is brighter .*gdal_translate -b 2 -b 1"):
        open_radar(swapped, scene.info)
    with open_radar(write(tmp_path / "named.tif", decibels()[::-1], names=("VH", "VV")), scene.info) as radar:
        assert (radar.read(0, 0, 60, 60) == decibels()).all()


def test_0_in_both_channels_is_no_data_and_scaled_numbers_are_no_decibels(tmp_path, scene):
    values = decibels()
    values[:, :10], values[0, 30, 30] = 0, 0
    with open_radar(write(tmp_path / "radar.tif", values), scene.info) as radar:
        found = radar.read(0, 0, 60, 60)
    assert np.isnan(found[:, :10]).all() and (found[:, 10:] == values[:, 10:]).all()
    with pytest.raises(InputError, match=r"has a median of -1.*e\+03, so it is not in dB"):
        open_radar(write(tmp_path / "scaled.tif", (decibels() * 100).astype(np.int16)), scene.info)
