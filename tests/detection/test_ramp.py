"""Limits that are no steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from unclouded.detection.ramp import ramp


def test_it_rises_from_the_first_limit_to_the_second_and_stays_beyond_them() -> None:
    x = torch.tensor([-1.0, 0.2, 0.25, 0.3, 1.0])
    assert ramp(x, 0.2, 0.3).tolist() == pytest.approx([0, 0, 0.5, 1, 1], abs=1e-6)


def test_it_falls_where_low_values_count() -> None:
    x = torch.tensor([0.0, 0.08, 0.1, 0.12, 0.5])
    assert ramp(x, 0.12, 0.08).tolist() == pytest.approx([1, 1, 0.5, 0, 0], abs=1e-6)


def test_arrays_take_the_values_of_tensors() -> None:
    x = np.array([-1.0, 0.2, 0.21, 0.27, 0.3, 1.0, np.nan], np.float32)
    of_array = ramp(x, 0.2, 0.3)
    assert of_array.dtype == np.float32
    assert np.array_equal(of_array, ramp(torch.from_numpy(x), 0.2, 0.3).numpy(), equal_nan=True)
