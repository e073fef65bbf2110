"""A patch cleared at once is the one that `clear_patch` cuts into crops."""

import numpy as np
import pytest
import torch

from unclouded.bands import L1C, NAMES
from unclouded.clearing.options import ClearOptions
from unclouded.clearing.patch import clear_patch, sample_patch
from unclouded.detection.classes import CLEAR, THICK_CLOUD
from unclouded.models.generator import Generator
from unclouded.models.observation import Observation
from unclouded.models.weights import load_generator

EXACT = ClearOptions(precision="fp32")


@pytest.fixture(scope="module")
def generator() -> Generator:
    return load_generator("default")[0]


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """Reflectance (13, 192, 192) of fields under a round cloud with soft edges."""
    rng = np.random.default_rng(0)
    spectrum = [0.12, 0.09, 0.08, 0.06, 0.09, 0.2, 0.25, 0.26, 0.28, 0.09, 0.001, 0.17, 0.09]
    fields = np.array(spectrum)[:, None, None] * np.kron(rng.uniform(0.8, 1.2, (13, 12, 12)), np.ones((16, 16)))
    row, column = np.mgrid[:192, :192]
    cloud = np.clip(2 - np.hypot(row - 90, column - 80) / 25, 0, 1).astype(np.float32)
    tops = 0.6 + 0.05 * np.sin(row / 9) * np.cos(column / 7)
    return (fields * (1 - cloud) + tops * cloud).astype(np.float32)


def observed(image: np.ndarray, bands: tuple[str, ...] = L1C, radar: np.ndarray | None = None) -> Observation:
    optical, present = np.zeros((1, 13, *image.shape[1:]), np.float32), torch.zeros(1, 13)
    where = [NAMES.index(band) for band in bands]
    optical[0, where], present[0, where] = image, 1
    guides = None if radar is None else {"radar": torch.from_numpy(radar[None])}
    return Observation.of(torch.from_numpy(optical), present, torch.zeros(1), guides=guides)


@pytest.mark.parametrize("given", ["nothing", "mask", "radar", "a hole"])
def test_it_is_what_clearing_gives(generator: Generator, image: np.ndarray, given: str) -> None:
    mask = np.full(image.shape[1:], CLEAR)
    mask[40:140, 30:130] = THICK_CLOUD
    radar = np.full((2, *image.shape[1:]), -12, np.float32)
    radar[:, :, 150:] = np.nan
    valid = np.ones(image.shape[1:], np.bool_)
    more, x = {}, observed(image)
    if given == "radar":
        more, x = {"radar": radar}, observed(image, radar=radar)
    if given == "a hole":
        valid[60:90, 100:120] = False
        more = {"valid": valid}
        x = x._replace(valid=torch.from_numpy(valid.astype(np.float32))[None, None])
    masked = {"mask": mask} if given == "mask" else {}
    reflectance, opacity, uncertainty = clear_patch(image, L1C, "L1C", generator, EXACT, **masked, **more)
    made = sample_patch(x, generator, EXACT, **masked)
    assert (opacity[valid] > 0).any() and (opacity[valid] == 0).any()
    np.testing.assert_allclose(made.reflectance[:, valid], reflectance[:, valid], atol=2e-5)
    np.testing.assert_allclose(made.uncertainty[valid], uncertainty[valid], atol=2e-5)
    # What changes too little to be replaced is written back as it was, with an opacity of 0.
    replaced = valid & (opacity > 0)
    np.testing.assert_allclose(made.opacity[replaced], opacity[replaced], atol=2e-5)
