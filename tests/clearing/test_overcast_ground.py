"""The ground that is laid where nothing shows through: nothing of the cloud's top is in it."""

import numpy as np
import pytest
from scipy.ndimage import uniform_filter

from unclouded.bands import L1C
from unclouded.clearing.options import ClearOptions
from unclouded.clearing.patch import clear_patch
from unclouded.detection.classes import THICK_CLOUD
from unclouded.models.generator import Generator
from unclouded.models.weights import load_generator


@pytest.fixture(scope="module")
def generator() -> Generator:
    return load_generator("default")[0]


@pytest.fixture(scope="module")
def overcast() -> np.ndarray:
    """Reflectance (13, 128, 128) of cloud alone, whose top has a relief of all sizes from 2 to 40 pixels."""
    row, column = np.mgrid[:128, :128].astype(np.float32)
    rng = np.random.default_rng(0)
    relief = sum(
        np.sin((row * np.cos(turn) + column * np.sin(turn)) * 2 * np.pi / length + turn)
        for length, turn in zip(np.geomspace(2, 40, 16), rng.uniform(0, 6, 16), strict=True)
    )
    return np.repeat(0.65 + 0.03 * relief[None], 13, axis=0).astype(np.float32)


def cleared(
    image: np.ndarray, generator: Generator, samples: int = 1, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mask = np.full(image.shape[1:], THICK_CLOUD, np.uint8)
    options = ClearOptions(precision="fp32", samples=samples, seed=seed)
    return clear_patch(image, L1C, "L1C", generator, options, mask=mask)


def test_the_relief_of_the_clouds_top_is_not_in_the_ground(generator: Generator, overcast: np.ndarray) -> None:
    ground, opacity, _ = cleared(overcast, generator)
    assert (opacity > 0.98).all()
    for band in ground - (1 - opacity) * overcast:
        assert band.std() < 0.001


def test_the_uncertainty_has_no_grid(generator: Generator, overcast: np.ndarray) -> None:
    uncertainty = cleared(np.tile(overcast, (1, 2, 2)), generator)[2]
    inner = (slice(32, -32), slice(32, -32))
    assert (uncertainty - uniform_filter(uncertainty, 33))[inner].std() < 0.02 * uncertainty.mean()


def test_samples_differ_in_the_ground_that_is_expected(generator: Generator, overcast: np.ndarray) -> None:
    alone, several = (cleared(overcast, generator, samples) for samples in (1, 6))
    one, other = (cleared(overcast, generator, 2, seed)[0] for seed in (1, 2))
    assert np.abs(one - other).mean() > 0.01
    assert np.abs(several[0] - alone[0]).mean() < 0.06
    # Their mean is no worse a guess than that of one, and no better.
    np.testing.assert_array_equal(several[2], alone[2])


def test_what_a_mask_covers_is_no_ground_without_visible_bands_either(
    generator: Generator, overcast: np.ndarray
) -> None:
    infrared = ("B8A", "B11", "B12")
    image = overcast[[L1C.index(name) for name in infrared]]
    mask = np.full(image.shape[1:], THICK_CLOUD, np.uint8)
    options = ClearOptions(precision="fp32", mask_only=True)
    ground, opacity, _ = clear_patch(image, infrared, "L1C", generator, options, mask=mask)
    for band in ground - (1 - opacity) * image:
        assert band.std() < 0.01
