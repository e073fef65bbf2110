"""The snow index, of tensors and of arrays alike."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unclouded.bands import NAMES
from unclouded.detection.snow_index import short_wave_band, snow_index

GREEN = np.array([0.8, 0.5, 0.1, 0.0, -0.01, np.nan], np.float32)
SHORT_WAVE = np.array([0.1, 0.45, 0.3, 0.0, 0.005, 0.2], np.float32)


def test_it_is_high_of_snow_about_0_of_cloud_and_finite_of_dark_pixels():
    index = snow_index(GREEN, SHORT_WAVE)
    assert index.dtype == np.float32
    assert index == pytest.approx([7 / 9, 1 / 19, -0.5, 0, -15, np.nan], rel=1e-5, nan_ok=True)


def test_tensors_have_the_same_index():
    of_tensors = snow_index(torch.from_numpy(GREEN), torch.from_numpy(SHORT_WAVE))
    assert np.array_equal(of_tensors.numpy(), snow_index(GREEN, SHORT_WAVE), equal_nan=True)


def test_the_band_near_1600_nm_comes_first():
    assert short_wave_band(NAMES[::-1]) == "B11"
    assert short_wave_band(("B02", "B12")) == "B12"
    assert short_wave_band(("B02", "B08")) is None
