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
HOLE = np.add.outer(np.arange(48), np.arange(36)) < 20


def as_file(path, dn, **options):
    return open_scene(write(path, dn, names=FOUR), level="L2A", **options)


def as_array(path, dn, **options):
    array = xr.DataArray(dn, dims=("band", "y", "x"), coords={"band": list(FOUR)})
    return ArrayScene(array, level="L2A", **options)


BOTH = pytest.mark.parametrize("understand", [as_file, as_array])


@BOTH
def test_65535_in_all_bands_is_no_data_and_does_not_make_the_scale_doubtful(tmp_path, understand):
    dn = np.where(HOLE, 65535, pixels(4)).astype(np.uint16)
    with understand(tmp_path / "a.tif", dn) as scene:
        assert scene.info.encoding.scale == 10000 and scene.info.encoding.nodata == 65535
        assert (valid_pixels(scene.read(0, 0, 48, 36), scene.info.encoding) == ~HOLE).all()
        assert sum("65535 in all bands are taken for no data" in note for note in scene.info.notes) == 1


@BOTH
def test_65535_is_white_where_other_dn_come_near_it(tmp_path, understand):
    white = np.clip(pixels(4, low=10000).astype(np.int64) * 6, 0, 65535)
    dn = np.where(HOLE, 65535, white).astype(np.uint16)
    with pytest.raises(InputError, match=r"scale cannot be known.*--scale 65535"):
        understand(tmp_path / "a.tif", dn)
    with understand(tmp_path / "a.tif", dn, scale=65535, offset=0) as scene:
        assert valid_pixels(scene.read(0, 0, 48, 36), scene.info.encoding).all()


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
