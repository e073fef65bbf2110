"""Holes, wrapped numbers and empty bands that nothing declares; and bands that only have the names of Sentinel-2's."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from rasters import pixels, write

from unclouded.errors import InputError
from unclouded.reading.products.array import ArrayScene
from unclouded.reading.reader import open_scene
from unclouded.reflectance import valid_pixels

FOUR = ("B02", "B03", "B04", "B08")
FILL = np.add.outer(np.arange(48), np.arange(36)) < 20


def as_file(path, dn, **options):
    return open_scene(write(path, dn, names=FOUR), level="L2A", **options)


def as_array(path, dn, **options):
    array = xr.DataArray(dn, dims=("band", "y", "x"), coords={"band": list(FOUR)})
    return ArrayScene(array, level="L2A", **options)


BOTH = pytest.mark.parametrize("understand", [as_file, as_array])


@BOTH
def test_65535_in_all_bands_is_no_data_and_leaves_the_scale_certain(tmp_path, understand):
    dn = np.where(FILL, 65535, pixels(4)).astype(np.uint16)
    with understand(tmp_path / "a.tif", dn) as scene:
        assert scene.info.encoding.scale == 10000 and scene.info.encoding.nodata == 65535
        assert (valid_pixels(scene.read(0, 0, 48, 36), scene.info.encoding) == ~FILL).all()
        assert sum("65535 in all bands are taken for no data" in note for note in scene.info.notes) == 1


@BOTH
def test_65535_is_white_where_other_dn_come_near_it(tmp_path, understand):
    white = np.clip(pixels(4, low=10000).astype(np.int64) * 6, 0, 65535)
    dn = np.where(FILL, 65535, white).astype(np.uint16)
    with pytest.raises(InputError, match=r"scale cannot be known.*--scale 65535"):
        understand(tmp_path / "a.tif", dn)
    with understand(tmp_path / "a.tif", dn, scale=65535, offset=0) as scene:
        assert valid_pixels(scene.read(0, 0, 48, 36), scene.info.encoding).all()


@BOTH
@pytest.mark.parametrize("value", [5000, 700, 12345])
def test_one_value_in_all_bands_that_no_other_pixel_has_is_no_data(tmp_path, understand, value):
    dn = pixels(4).astype(np.uint16)
    if value < 9000:
        dn[:, 41] = 7000 + 10 * np.arange(36)  # what is greatest may be cloud
    if value < dn.max():
        dn[1, 40, 30] = value  # in one band it is a number like others
    dn = np.where(FILL, value, dn).astype(np.uint16)
    with understand(tmp_path / "a.tif", dn, offset=0) as scene:
        assert (valid_pixels(scene.read(0, 0, 48, 36), scene.info.encoding) == ~FILL).all()
        assert sum(f"{value} in all bands are taken for no data" in note for note in scene.info.notes) == 1
        assert not any("cut off" in note for note in scene.info.notes)


@BOTH
@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("values", [(1000, 999, 999, 1001), (50, 150, 250, 350), (700, 700, 700, 701)])
def test_one_value_in_each_band_that_no_other_pixels_share_is_no_data(tmp_path, understand, values, dtype):
    dn = np.where(FILL, np.array(values)[:, None, None], pixels(4, low=1200)).astype(dtype)
    with understand(tmp_path / "a.tif", dn, offset=0, scale=10000) as scene:
        encoding, read = scene.info.encoding, scene.read(0, 0, 48, 36)
    assert (valid_pixels(read, encoding) == ~FILL).all()
    assert (valid_pixels(read[[3, 1, 0]], encoding.of_bands((3, 1, 0))) == ~FILL).all()
    assert sum("all have the same values" in note and "no data" in note for note in scene.info.notes) == 1


@BOTH
def test_pixels_that_are_repeated_or_cut_off_are_ground_and_cloud(tmp_path, understand):
    repeated = pixels(4, 8, 6, low=1200).repeat(6, axis=1).repeat(6, axis=2)  # 60 m on a grid of 10 m
    white = pixels(4, low=1200)
    cut_off = np.where(FILL, white.max(axis=(1, 2), keepdims=True) + np.arange(4)[:, None, None], white)
    for number, dn in enumerate((repeated, cut_off)):
        with understand(tmp_path / f"{number}.tif", dn.astype(np.uint16), offset=0) as scene:
            assert valid_pixels(dn, scene.info.encoding).all()


@BOTH
@pytest.mark.parametrize("cloud", [1500, 4000, 6000])
def test_a_picture_of_a_few_numbers_has_neither_holes_nor_values_that_were_cut_off(tmp_path, understand, cloud):
    dn = np.where(FILL, cloud, np.full((4, 48, 36), 1500)).astype(np.uint16)
    with understand(tmp_path / "a.tif", dn, offset=0) as scene:
        assert valid_pixels(scene.read(0, 0, 48, 36), scene.info.encoding).all()
        assert not any("cut off" in note or "no data" in note for note in scene.info.notes)


@BOTH
@pytest.mark.parametrize(("dtype", "scale"), [("uint16", 10000), ("float32", 1)])
def test_values_clipped_at_one_value_are_cloud_and_refused_where_that_is_low(tmp_path, understand, dtype, scale):
    dn = np.where(FILL, 6000 + pixels(4, seed=1), pixels(4, low=100))
    dn[3, FILL] -= 3500  # not all bands reach the limit everywhere

    def cut(most, **options):
        image = (np.minimum(dn, most) / (10_000 / scale)).astype(dtype)
        return understand(tmp_path / "a.tif", image, offset=0, **options)

    with pytest.raises(InputError, match=rf"cut off there, at reflectance 0.3 .*--scale {scale} to go on"):
        cut(3000)
    for options in ({"most": 3000, "scale": scale}, {"most": 7000}):
        with cut(**options) as scene:
            assert valid_pixels(scene.read(0, 0, 48, 36), scene.info.encoding).all()
            assert sum("brighter ones were cut off" in note for note in scene.info.notes) == 1
    with cut(20_000) as scene:
        assert not any("cut off" in note for note in scene.info.notes)


@pytest.mark.parametrize(
    "name", ["S2_SR_HARMONIZED", "HLS.S30.T33UUP.2023130T094031.v2.0", "20230510_LEVEL2_SEN2A_BOA"]
)
def test_dn_that_carry_an_offset_which_their_name_denies_are_asked_about(tmp_path, name):
    rng = np.random.default_rng(0)
    shade, green = rng.uniform(0.7, 1.3, (80, 90)), rng.random((80, 90))
    plants, soil = (np.array(kind)[:, None, None] for kind in ([200, 500, 300, 4000], [800, 1200, 1600, 2400]))
    dn = ((plants * green + soil * (1 - green)) * shade).astype(np.uint16)
    with as_file(tmp_path / f"right/{name}.tif", dn) as scene:
        assert scene.info.encoding.offsets == (0,) * 4
    with pytest.raises(InputError, match=r"as where \+1000 is in DN whose name denies it; give --offset -1000 to"):
        as_file(tmp_path / f"lifted/{name}.tif", dn + np.uint16(1000))
    # An overcast day is as bright.
    with as_file(tmp_path / f"cloud/{name}.tif", (dn * 0.4 + 2500).astype(np.uint16)) as scene:
        assert scene.info.encoding.offsets == (0,) * 4


@BOTH
def test_reflectance_with_grey_vegetation_and_no_dark_pixel_is_refused(tmp_path, understand):
    rng = np.random.default_rng(0)
    shade, green = rng.uniform(0.7, 1.3, (80, 90)), rng.random((80, 90)).repeat(1, 0)
    plants, soil = (np.array(kind)[:, None, None] for kind in ([0.02, 0.05, 0.03, 0.4], [0.08, 0.12, 0.16, 0.24]))
    image = ((plants * green + soil * (1 - green)) * shade).astype(np.float32)
    with understand(tmp_path / "right.tif", image) as scene:
        assert scene.info.encoding.scale == 1
    with pytest.raises(InputError, match=r"plants are grey.*--offset -0.1 .*--offset 0 if"):
        understand(tmp_path / "lifted.tif", image + np.float32(0.1))
    for offset in (-0.1, 0.0):
        with understand(tmp_path / "said.tif", image + np.float32(0.1), offset=offset) as scene:
            assert scene.info.encoding.offsets == (offset,) * 4
    # Thin cloud over all of it lifts the visible bands more, and desert has no plants.
    for other in (image * 0.6 + 0.17, np.maximum(soil * shade, 0.1) + 0.03):
        with understand(tmp_path / "cloud.tif", other.astype(np.float32)) as scene:
            assert scene.info.encoding.offsets == (0.0,) * 4


@BOTH
@pytest.mark.parametrize("options", [{}, {"scale": 10000, "offset": 0}])
def test_unsigned_dn_that_an_offset_was_taken_off_are_refused(tmp_path, understand, options):
    dn = pixels(4) - np.uint16(300)
    assert (dn > 65000).any()
    with pytest.raises(InputError, match=r"lie near 65535.*an offset was taken off.*--offset -1000"):
        understand(tmp_path / "a.tif", dn, **options)


@BOTH
@pytest.mark.parametrize(("dtype", "nothing"), [("uint16", 0), ("int16", -9999), ("float32", np.nan)])
def test_a_band_of_nothing_is_named(tmp_path, understand, dtype, nothing):
    dn = pixels(4).astype(dtype)
    dn[2] = nothing
    with pytest.raises(InputError, match=r"B04 holds no data .*leave out with --bands B02,B03,B08"):
        understand(tmp_path / "a.tif", dn, offset=0)
    with understand(tmp_path / "a.tif", dn, offset=0, bands=["B02", "B03", "B08"]) as scene:
        assert valid_pixels(scene.read(0, 0, 48, 36), scene.info.encoding).all()


@BOTH
def test_a_scene_without_any_data_is_no_matter_of_its_bands(tmp_path, understand):
    with understand(tmp_path / "a.tif", np.zeros((4, 48, 36), np.uint16), offset=0) as scene:
        assert scene.info.bands == FOUR


@pytest.mark.parametrize("names", [["sur_refl_b01", "sur_refl_b02"], ["Nadir_Reflectance_Band1", "BRDF_Quality"]])
def test_bands_of_modis_are_not_taken_for_those_of_the_same_number(tmp_path, names):
    path = write(tmp_path / "image.tif", pixels(2), names=names)
    with pytest.raises(InputError, match="is of MODIS"):
        open_scene(path, level="L2A", offset=0)


def test_bands_of_cloud_score_are_left_out(tmp_path):
    path = write(tmp_path / "a.tif", pixels(6).astype(np.float64), names=["B2", "B3", "B4", "B8", "cs", "cs_cdf"])
    with open_scene(path, level="L2A", offset=0) as scene:
        assert scene.info.bands == FOUR
