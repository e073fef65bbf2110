"""What the tests share: where the real images lie, networks that do something or nothing, and the dates of a place."""

import os
import signal
from pathlib import Path

import hypothesis
import numpy as np
import pytest
import torch
from scenes import SMALL, save_active

from unclouded.clearing.detector import cover_detector
from unclouded.models.context_generator import ContextGenerator
from unclouded.models.generator import Generator

_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"

# No test measures time: on a busy machine a first call may take seconds.
hypothesis.settings.register_profile("unclouded", deadline=None, max_examples=30)
hypothesis.settings.load_profile("unclouded")

# The tests' workers share the cores; processes that tests start, and compare with themselves to the bit, take as many.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"

# A shell has what it starts in the background ignore interrupts, and so would the commands that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real images beside the repository; tests that need it are skipped, visibly, without it."""
    if not _SHARED.is_dir():
        pytest.skip("the real images (../shared/data, not part of this repository) are not here")
    return _SHARED


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    """Weights of `scenes.active_generator`, without a detector."""
    return save_active(tmp_path_factory.mktemp("weights") / "active.safetensors")


@pytest.fixture(scope="session")
def detecting_weights(tmp_path_factory) -> Path:
    """The same, for use with the detector."""
    return save_active(tmp_path_factory.mktemp("weights") / "active.safetensors", detector="csmask", threshold=0.2)


@pytest.fixture
def unasked(monkeypatch) -> None:
    """In small scenes, too, the detector's networks alone say what is covered: such weights never learnt it."""
    monkeypatch.setattr(
        cover_detector, "own_opacity", lambda generator, image, *more: np.full(image.shape[1:], np.nan, np.float32)
    )


@pytest.fixture(scope="session")
def dates(tmp_path_factory) -> list[Path]:
    """Three dates of a place, to be read only; see `dates.CLOUDS`."""
    from dates import write_dates  # which needs xarray

    return write_dates(tmp_path_factory.mktemp("dates"))


@pytest.fixture(scope="session")
def identity_generator() -> Generator:
    """A generator whose opacity is 1e-13 everywhere: nothing may change."""
    torch.manual_seed(0)
    generator = ContextGenerator(SMALL).eval().requires_grad_(False)
    logits = generator.leave.bias.view(-1, 4)[-1]  # pixel_shuffle(2): four neighbours per channel; opacity comes last
    logits.fill_(-30.0)
    generator.leave.weight.zero_()
    return generator
