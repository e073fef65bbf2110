"""Simulated skies: the truth that they keep must explain the image that they give."""

import math

import pytest
import torch

from unclouded.bands import INDEX
from unclouded.data.clouds import Sky, _cast_shadow, fractal_noise, simulate


@pytest.fixture(scope="module")
def skies() -> tuple[torch.Tensor, Sky]:
    rng = torch.Generator().manual_seed(3)
    ground = 0.05 + 0.3 * torch.rand(24, 13, 128, 128, generator=rng)
    return ground, simulate(ground, torch.zeros(24, 13), rng)


def test_untouched_where_nothing_hides(skies: tuple[torch.Tensor, Sky]) -> None:
    ground, sky = skies
    # Cloud is displaced up to three pixels between bands, so clear means clear in all of the neighbourhood.
    near = torch.nn.functional.max_pool2d(sky.cloud_shadow_fraction, 25, stride=1, padding=12)
    clear = (near < 1e-6).expand_as(ground)
    assert clear.any()
    torch.testing.assert_close(sky.cloudy[clear], ground[clear], atol=1e-4, rtol=1e-3)


def test_opaque_cloud_hides_the_ground(skies: tuple[torch.Tensor, Sky]) -> None:
    ground, sky = skies
    rng = torch.Generator().manual_seed(3)
    torch.rand(24, 13, 128, 128, generator=rng)
    other = simulate(ground * 0.3, torch.zeros(24, 13), rng)
    deep = torch.nn.functional.max_pool2d(-sky.cloud, 13, stride=1, padding=6) < -0.9999
    assert deep.any()
    blue = INDEX["B02"]
    assert float((sky.cloudy - other.cloudy)[:, blue : blue + 1][deep].abs().max()) < 1e-3


def test_truth_is_a_share_and_shadows_darken(skies: tuple[torch.Tensor, Sky]) -> None:
    ground, sky = skies
    for part in (sky.cloud, sky.shadow, sky.cloud_shadow_fraction):
        assert float(part.min()) >= 0
        assert float(part.max()) <= 1
    near_cloud = torch.nn.functional.max_pool2d(sky.cloud, 25, stride=1, padding=12)
    shadowed = (sky.shadow > 0.25) & (near_cloud < 1e-3)
    assert shadowed.any()
    assert (sky.cloudy < ground)[shadowed.expand_as(ground)].all()


def test_cloud_looks_as_measured(skies: tuple[torch.Tensor, Sky]) -> None:
    _, sky = skies
    thick = (torch.nn.functional.max_pool2d(-sky.cloud, 13, stride=1, padding=6) < -0.999)[:, 0]
    spectrum = sky.cloudy.permute(0, 2, 3, 1)[thick].mean(0)
    visible = spectrum[1:4].mean()
    assert 0.9 < float(spectrum[INDEX["B8A"]] / visible) < 1.4
    assert float(spectrum[INDEX["B10"]] / visible) < 0.4
    assert float(spectrum[INDEX["B12"]]) < float(visible)


def test_same_seed_same_sky() -> None:
    ground = torch.full((2, 13, 64, 64), 0.2)
    first, second = (simulate(ground, torch.zeros(2, 13), torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(first.cloudy, second.cloudy)


def test_noise_is_standardised_and_smoother_with_roughness() -> None:
    rng = torch.Generator().manual_seed(0)
    field = fractal_noise(2, 128, torch.tensor([2.0, 4.0]), torch.ones(2), rng)
    torch.testing.assert_close(field.std(dim=(1, 2, 3)), torch.ones(2), atol=1e-3, rtol=0)
    steps = field.diff(dim=3).abs().mean(dim=(1, 2, 3))
    assert float(steps[1]) < 0.5 * float(steps[0])


def test_shadows_fall_away_from_the_sun() -> None:
    """The sun in the south-east, as on most mornings: shadows lie north-west of their clouds."""
    size = 128 + 2 * 96
    cloud = torch.zeros(1, 1, size, size)
    cloud[..., 158:162, 158:162] = 1
    shadow = _cast_shadow(cloud, torch.Generator().manual_seed(0), (math.radians(40), math.radians(135)))
    row, column = (float((shadow[0, 0].sum(1 - axis) * torch.arange(128)).sum() / shadow.sum()) for axis in (0, 1))
    assert row < 63 and column < 63
    assert abs(row - column) < 1
