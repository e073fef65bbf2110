"""Layers that a program numbered B01, B02, … and did not name."""

from __future__ import annotations

import pytest
from rasters import blurred_spectra, write

from unclouded.bands import L1C, TEN
from unclouded.errors import InputError
from unclouded.reading.products.array import ArrayScene
from unclouded.reading.reader import open_scene

ASKED = r"B01 is too sharp for one of 60 m.*--band-names .*B01,B02,B03,B04"


@pytest.mark.parametrize("bands", [TEN, ("B02", "B03", "B04", "B08")])
def test_names_that_count_from_b01_are_refused_where_b01_is_as_sharp_as_bands_of_10_m(tmp_path, bands):
    dn, counted = blurred_spectra(bands), [f"B{number:02}" for number in range(1, len(bands) + 1)]
    dn[1] = dn[1].reshape(48, 18, 2).mean(2).repeat(2, 1)  # a little less sharp, as some band always is
    with pytest.raises(InputError, match=ASKED):
        open_scene(write(tmp_path / "a_L2A.tif", dn, names=counted), offset=0)
    with pytest.raises(InputError, match=ASKED):
        ArrayScene(dn, counted, "L2A", offset=0)
    with open_scene(tmp_path / "a_L2A.tif", band_names=bands, offset=0) as scene:
        assert scene.info.bands == tuple(bands)
    for number, band in enumerate(counted):
        write(tmp_path / "folder_L2A" / f"{band}.tif", dn[[number]])
    with pytest.raises(InputError, match="B01 is too sharp"):
        open_scene(tmp_path / "folder_L2A", offset=0)


@pytest.mark.parametrize("count", [4, 8, 12])
def test_names_that_count_from_b01_are_names_where_b01_is_no_sharper(tmp_path, count):
    bands = [band for band in L1C if band != "B8A"][:count]
    path = write(tmp_path / "a_L1C.tif", blurred_spectra(bands), names=bands)
    with open_scene(path, offset=0) as scene:
        assert list(scene.info.bands) == bands
