"""DN to reflectance and back."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unclouded.reflectance import Encoding, to_dn, to_reflectance, valid_pixels


def test_offset_is_added_before_dividing():
    encoding = Encoding(10000.0, (-1000.0, 0.0), 0.0)
    dn = np.array([[[3000]], [[3000]]], np.uint16)
    reflectance, valid = to_reflectance(dn, encoding)
    assert reflectance.dtype == np.float32
    assert reflectance[:, 0, 0] == pytest.approx([0.2, 0.3])
    assert valid.tolist() == [[True]]


@pytest.mark.parametrize(("dtype", "hole"), [("uint16", 0), ("float32", np.nan), ("float32", np.inf), ("int16", -999)])
def test_no_data_in_one_band_makes_the_pixel_invalid_and_zero(dtype, hole):
    dn = np.full((3, 2, 2), 2000, dtype)
    dn[1, 0, 1] = hole
    reflectance, valid = to_reflectance(dn, Encoding(10000.0, (-1000.0,) * 3, hole if np.isfinite(hole) else None))
    assert valid.tolist() == [[True, False], [True, True]]
    assert (reflectance[:, 0, 1] == 0).all()
    assert reflectance[:, valid] == pytest.approx(0.1)


@pytest.mark.parametrize("fill", [0, -1, -9999, -10000, -32768])
def test_a_pixel_that_is_nothing_in_every_band_is_no_data(fill):
    dn = np.full((3, 1, 3), 2000, np.int16)
    dn[:, 0, 1] = fill
    dn[0, 0, 2] = 0
    assert valid_pixels(dn, Encoding(10000.0, (0.0,) * 3, None)).tolist() == [[True, False, True]]


@pytest.mark.parametrize("fill", [-9999, -1, -0.5, -np.inf, np.inf, 9.96921e36, -3.4028235e38])
def test_no_ground_has_such_a_reflectance_in_any_band(fill):
    dn = np.full((2, 1, 2), 0.2, np.float32)
    dn[1, 0, 1] = fill
    assert valid_pixels(dn, Encoding(1.0, (0.0, 0.0), None)).tolist() == [[True, False]]


def test_saturated_pixels_are_valid_unless_all_bands_are_equal():
    dn = np.array([[[65535, 65535, 19000, 0]], [[65535, 16000, 19000, 300]]], np.uint16)
    assert valid_pixels(dn, Encoding(10000.0, (0.0, 0.0), None)).tolist() == [[False, True, True, True]]
    assert valid_pixels(dn, Encoding(65535.0, (0.0, 0.0), None)).all()


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32"])
def test_over_corrected_shadow_is_data(dtype):
    dn = np.full((2, 1, 2), 900, dtype)
    dn[0] = 400
    assert valid_pixels(dn, Encoding(10000.0, (-1000.0, -1000.0), None)).all()


@given(
    st.lists(st.integers(1, 65535), min_size=1, max_size=20),
    st.sampled_from([0.0, -1000.0]),
    st.sampled_from([10000.0, 6000.0, 36363.6]),
)
def test_every_dn_survives_the_round_trip(values, offset, scale):
    dn = np.array(values, np.uint16)[None, None]
    encoding = Encoding(scale, (offset,), 0.0)
    reflectance, _ = to_reflectance(dn, encoding)
    assert (to_dn(reflectance, encoding, np.uint16) == dn).all()


@given(st.floats(-10, 10), st.sampled_from(["uint16", "int16", "uint8"]), st.sampled_from([0.0, 7.0, 255.0]))
def test_a_value_is_never_written_as_no_data(value, dtype, nodata):
    encoding = Encoding(10000.0, (0.0,), nodata)
    dn = to_dn(np.full((1, 1, 1), value), encoding, dtype)
    limits = np.iinfo(dtype)
    wanted = np.clip(value * 10000, limits.min, limits.max)
    assert dn.dtype == np.dtype(dtype)
    assert dn[0, 0, 0] != nodata
    assert abs(float(dn[0, 0, 0]) - wanted) <= 1.5


def test_float_dn_avoid_the_no_data_value_too():
    dn = to_dn(np.zeros((1, 1, 1)), Encoding(1.0, (0.0,), 0.0), np.float32)
    assert dn[0, 0, 0] != 0
    assert dn[0, 0, 0] == pytest.approx(0, abs=1e-30)


def test_who_knows_which_pixels_are_valid_need_not_have_them_looked_for():
    dn = np.full((2, 1, 3), 2000, np.uint16)
    known = np.array([[True, False, True]])
    reflectance, valid = to_reflectance(dn, Encoding(10000.0, (0.0, 0.0), None), known)
    assert valid.tolist() == known.tolist()
    assert reflectance[:, 0].tolist() == [pytest.approx([0.2, 0, 0.2])] * 2
