import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unclouded.errors import InputError
from unclouded.evaluation.paired import PairedErrors, average, compare, spectral_angle, structural_similarity

RNG = np.random.default_rng(0)


def half(height=16, width=20):
    mask = np.zeros((height, width), bool)
    mask[:, : width // 2] = True
    return mask


def test_no_error_without_a_difference():
    image = RNG.random((4, 16, 20))
    errors = compare(image, image, half())
    assert errors.psnr == math.inf
    assert errors.ssim == pytest.approx(1)
    assert errors.angle == pytest.approx(0, abs=1e-4)
    assert (errors.cloudy, errors.elsewhere) == (0, 0)


@given(offset=st.floats(0.01, 0.4))
def test_a_constant_offset_gives_the_textbook_values(offset):
    truth = np.full((3, 16, 20), 0.5)
    errors = compare(truth + offset, truth, half())
    assert errors.psnr == pytest.approx(-20 * math.log10(offset))
    assert errors.cloudy == errors.elsewhere == pytest.approx(offset)
    assert errors.ssim == pytest.approx((2 * 0.5 * (0.5 + offset) + 1e-4) / (0.25 + (0.5 + offset) ** 2 + 1e-4))
    assert errors.angle == pytest.approx(0, abs=1e-4)


def test_errors_are_separated_by_the_mask():
    truth = np.full((3, 16, 20), 0.2)
    predicted = np.where(half(), 0.5, 0.3) * np.ones((3, 1, 1))
    errors = compare(predicted, truth, half())
    assert (errors.cloudy, errors.elsewhere) == pytest.approx((0.3, 0.1))


def test_reflectance_is_clipped():
    assert compare(np.full((2, 16, 20), 1.6), np.ones((2, 16, 20)), half()).psnr == math.inf


def test_spectral_angle_is_in_degrees_whatever_the_brightness():
    x, y = np.zeros((2, 1, 2)), np.zeros((2, 1, 2))
    x[0] = 1
    y[:, 0, 0] = 0.2, 0.2
    y[1, 0, 1] = 0.7
    assert spectral_angle(x, y) == pytest.approx((45 + 90) / 2)


def test_ssim_agrees_with_its_definition_at_one_window():
    x, y = RNG.random((1, 11, 11)), RNG.random((1, 11, 11))
    profile = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    weight = np.outer(profile, profile) / profile.sum() ** 2
    mx, my = (weight * x[0]).sum(), (weight * y[0]).sum()
    vx, vy = (weight * (x[0] - mx) ** 2).sum(), (weight * (y[0] - my) ** 2).sum()
    cov = (weight * (x[0] - mx) * (y[0] - my)).sum()
    expected = (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    assert structural_similarity(x, y) == pytest.approx(expected)


def test_average_skips_what_an_image_does_not_have():
    errors = [PairedErrors(20, 0.5, 4, 0.1, 0.2), PairedErrors(30, 0.7, 6, math.nan, 0.4)]
    assert average(errors) == PairedErrors(25, 0.6, 5, 0.1, pytest.approx(0.3))


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="cannot be compared"):
        compare(np.zeros((3, 16, 20)), np.zeros((3, 16, 21)), half())
    with pytest.raises(InputError, match="too small for SSIM"):
        compare(np.zeros((3, 5, 20)), np.zeros((3, 5, 20)), half(5))
