"""What a program around sets of torch for its own work, and what clearing leaves of it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import torch
import xarray as xr
from scenes import ground

import unclouded

BANDS = ["B02", "B03", "B04", "B08", "B11", "B12"]


@contextmanager
def type_of_new_tensors(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


SETTINGS = {
    "float64": lambda: type_of_new_tensors(torch.float64),
    "float16": lambda: type_of_new_tensors(torch.float16),
    "device": lambda: torch.device("meta"),
    "autocast": lambda: torch.autocast("cpu"),
    "no gradients": torch.no_grad,
}


@pytest.fixture
def cleared(detecting_weights):
    """Clears one scene, of which some is covered."""
    image = xr.DataArray(ground(6, 64, 64), dims=("band", "y", "x"), coords={"band": BANDS})

    def clear(chunks=None):
        given = {"level": "L2A", "offset": 0, "model": detecting_weights, "precision": "fp32"}
        return unclouded.clear(image if chunks is None else image.chunk(chunks), **given).compute()

    return clear


@pytest.mark.parametrize("chunks", [None, {"y": 40, "x": 40}])
@pytest.mark.parametrize("setting", SETTINGS.values(), ids=SETTINGS)
def test_settings_of_the_program_around_change_nothing(cleared, setting, chunks):
    usual = cleared(chunks)
    assert (usual.opacity > 0).any()
    with setting():
        kind, device, cast = torch.get_default_dtype(), torch.get_default_device(), torch.is_autocast_enabled("cpu")
        assert cleared(chunks).identical(usual)
        after = torch.get_default_dtype(), torch.get_default_device(), torch.is_autocast_enabled("cpu")
    assert after == (kind, device, cast)


def test_threads_that_clear_at_once_give_the_type_of_tensors_back_at_the_end(cleared):
    usual = cleared()
    with type_of_new_tensors(torch.float64), ThreadPoolExecutor(3) as pool:
        assert all(made.identical(usual) for made in pool.map(lambda _: cleared(), range(6)))
        assert torch.get_default_dtype() == torch.float64


def test_random_numbers_of_the_program_around_are_left_alone(cleared):
    torch.manual_seed(3)
    np.random.seed(3)
    ours, theirs = torch.get_rng_state(), np.random.get_state()[1].copy()
    cleared()
    assert torch.equal(ours, torch.get_rng_state())
    assert (theirs == np.random.get_state()[1]).all()
