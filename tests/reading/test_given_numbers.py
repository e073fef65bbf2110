"""Scale and offset that somebody gives, held against the pixels and against what the file says."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from rasters import spectra, write

from unclouded.errors import InputError
from unclouded.reading.products.array import ArrayScene
from unclouded.reading.reader import open_scene

FOUR = ["B02", "B03", "B04", "B08"]


def opened(tmp_path, values, *, array=False, tags=None, **given):
    if array:
        return ArrayScene(values, FOUR, "L2A", given.get("scale"), given.get("offset")).info
    with open_scene(write(tmp_path / "a.tif", values, names=FOUR, **(tags or {})), level="L2A", **given) as scene:
        return scene.info


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize(("factor", "scale"), [(1, 10000), (10000, 1)])
def test_a_scale_that_makes_of_the_values_what_no_reflectance_is_is_refused(tmp_path, factor, scale, array):
    values = spectra(FOUR, "float32", factor)
    with pytest.raises(InputError, match=rf"--scale {scale} is not that of its values: .*give --scale {factor} \("):
        opened(tmp_path, values, array=array, scale=scale, offset=0)


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"scale": -1}, "--scale -1 is not a positive number"),
        ({"scale": "10000"}, "--scale '10000' is not a positive number"),
        ({"offset": float("nan")}, "--offset nan is not a number"),
        ({"offset": [0, 0, 0, 0]}, r"--offset \[0, 0, 0, 0\] is not a number"),
    ],
)
def test_a_scale_or_an_offset_that_is_no_number_is_refused(tmp_path, given, message, array):
    with pytest.raises(InputError, match=message):
        opened(tmp_path, spectra(FOUR, "uint16", 10000), array=array, **given)


def test_a_dark_scene_has_the_scale_that_is_given(tmp_path):
    assert opened(tmp_path, spectra(FOUR, "float32", 0.1), scale=1).encoding.scale == 1


@pytest.mark.parametrize("array", [False, True])
@pytest.mark.parametrize(
    ("factor", "dtype", "offset", "meant"),
    [(10000, "uint16", -0.1, "-1000"), (10000, "float32", 0.1, "1000"), (1, "float32", -1000, "-0.1")],
)
def test_an_offset_in_the_unit_of_other_values_is_refused(tmp_path, factor, dtype, offset, meant, array):
    values = spectra(FOUR, dtype, factor)
    with pytest.raises(InputError, match=rf"--offset {offset:g} is not in the unit .*give --offset {meant}, "):
        opened(tmp_path, values, array=array, offset=offset)
    assert opened(tmp_path, values, array=array, offset=float(meant)).encoding.offsets[0] == float(meant)


@pytest.mark.parametrize("offset", [99999, 1e300, -1e-300])
def test_an_offset_of_no_unit_is_answered_with_one_that_is_accepted(tmp_path, offset):
    with pytest.raises(InputError, match=r"is not in the unit .*; give --offset -1000, or --offset 0$"):
        opened(tmp_path, spectra(FOUR, "uint16", 10000), offset=offset)


def test_an_offset_that_is_given_in_spite_of_the_files_is_reported(tmp_path):
    values = (spectra(FOUR, "uint16", 10000) + 1000).astype(np.uint16)
    tags = {"scales": (1e-4,) * 4, "offsets": (-0.1,) * 4}
    note = "--offset 0 is taken, though its name or metadata says -1000"
    assert note in opened(tmp_path, values, tags=tags, offset=0).notes
    assert not any("is taken, though" in note for note in opened(tmp_path, values, tags=tags, offset=-1000).notes)


@pytest.mark.parametrize("array", [False, True])
def test_an_offset_of_the_wrong_sign_is_said_or_refused(tmp_path, array):
    dn = spectra(FOUR) + np.uint16(1000)

    def understood(dn, **options):
        if array:
            made = xr.DataArray(dn, dims=("band", "y", "x"), coords={"band": FOUR})
            if scales := options.pop("scales", None):
                made = made.assign_attrs(scale_factor=scales[0], add_offset=options.pop("offsets")[0])
            return ArrayScene(made, level="L2A", **options).info
        tags = {key: options.pop(key) for key in ("scales", "offsets") if key in options}
        with open_scene(write(tmp_path / "a_L2A.tif", dn, names=FOUR, **tags), **options) as scene:
            return scene.info

    said = "nothing in it is darker than reflectance"
    assert any(said in note and "-1000 takes off" in note for note in understood(dn, offset=1000).notes)
    # Values from which an offset was taken twice.
    assert not any(said in note for note in understood(dn.astype("int16") - 2000, offset=1000).notes)
    with pytest.raises(InputError, match="its metadata adds 1000, and nothing in it would then be darker"):
        understood(dn, scales=[1e-4] * 4, offsets=[0.1] * 4)
    with pytest.raises(InputError, match=r"its tag says -0\.1, which is not in the unit of its values.*--offset -1000"):
        understood(dn, scales=[1.0] * 4, offsets=[-0.1] * 4)
    assert understood(dn, scales=[1e-4] * 4, offsets=[-0.1] * 4).encoding.offsets == (-1000,) * 4
