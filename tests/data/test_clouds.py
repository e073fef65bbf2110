"""Simulated skies: the truth that they keep must explain the image that they give."""

import math

import pytest
import torch

from unclouded.bands import INDEX
from unclouded.data.cloud_fields import BORDER, fractal_noise
from unclouded.data.clouds import Sky, simulate
from unclouded.data.sky_geometry import cast_shadow, sun_geometry


@pytest.fixture(scope="module")
def skies() -> tuple[torch.Tensor, Sky]:
    rng = torch.Generator().manual_seed(3)
    ground = 0.05 + 0.3 * torch.rand(24, 13, 128, 128, generator=rng)
    return ground, simulate(ground, torch.zeros(24, 13), rng)


def test_untouched_where_nothing_hides(skies: tuple[torch.Tensor, Sky]) -> None:
    ground, sky = skies
    # Bands see cirrus up to fifteen pixels apart, so clear means clear in all of the neighbourhood.
    near = torch.nn.functional.max_pool2d(sky.cloud_shadow_fraction, 41, stride=1, padding=20)
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
    near_cloud = torch.nn.functional.max_pool2d(sky.cloud, 41, stride=1, padding=20)
    shadowed = (sky.shadow > 0.25) & (near_cloud < 1e-2)
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


def test_edges_of_clouds_are_soft(skies: tuple[torch.Tensor, Sky]) -> None:
    """From clear to opaque takes several pixels: nine in ten rims rise by less than a third of the way in one."""
    _, sky = skies
    steps = sky.cloud.diff(dim=3).abs()
    rims = steps[steps > 0.05]
    assert len(rims) > 1000
    assert float(torch.quantile(rims[:100_000], 0.9)) < 0.33


def test_noise_fades_below_its_smallest_length() -> None:
    fields = [
        fractal_noise(1, 128, torch.tensor([3.0]), torch.ones(1), torch.Generator().manual_seed(0), smallest=smallest)
        for smallest in (None, torch.tensor([10.0]))
    ]
    rough, smooth = (float(field.diff(dim=3).abs().mean()) for field in fields)
    assert smooth < 0.7 * rough


def _shadow(depth: torch.Tensor, sun: tuple[float, float], seed: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return cast_shadow(depth, sun_geometry(1, rng, sun), rng)[0, 0]


def _centre(field: torch.Tensor) -> torch.Tensor:
    return torch.stack([(field.sum(1 - axis) * torch.arange(field.shape[axis])).sum() / field.sum() for axis in (0, 1)])


def test_shadows_fall_away_from_the_sun() -> None:
    """The sun in the south-east, as on most mornings: shadows lie north-west of their clouds."""
    depth = torch.zeros(1, 1, 128 + 2 * BORDER, 128 + 2 * BORDER)
    depth[..., BORDER + 90 : BORDER + 96, BORDER + 90 : BORDER + 96] = 9
    shadow = _shadow(depth, (math.radians(65), math.radians(135)), 0)
    assert float(shadow.max()) > 0.2
    row, column = _centre(shadow).tolist()
    assert row < 90 and column < 90
    assert abs(row - column) < 1.5


@pytest.mark.parametrize("seed", range(3))
def test_all_clouds_of_an_image_are_as_far_from_their_shadows(seed: int) -> None:
    """At this sun each shadow falls into the image whole."""
    sun, corners = (math.radians(75), math.radians(150)), ((130, 110), (130, 170), (170, 170))
    far = []
    for row, column in corners:
        depth = torch.zeros(1, 1, 192 + 2 * BORDER, 192 + 2 * BORDER)
        depth[..., BORDER + row : BORDER + row + 8, BORDER + column : BORDER + column + 8] = 9
        far.append(_centre(_shadow(depth, sun, seed)) - torch.tensor([row, column]))
    assert float(far[0].norm()) > 4
    for other in far[1:]:
        torch.testing.assert_close(other, far[0], atol=0.1, rtol=0)


def test_every_cloud_but_cirrus_throws_a_shadow() -> None:
    """Whatever the seed, a sky of which a third is opaque darkens ground or is overcast, at shadows that fit in."""
    ground = torch.full((1, 13, 192, 192), 0.3)
    opaque = []
    for seed in range(12):
        sky = simulate(ground, torch.zeros(1, 13), torch.Generator().manual_seed(seed), sun=(1.1, 2.4))
        if 0.2 < float((sky.cloud > 0.9).float().mean()) < 0.7:
            opaque.append(float(sky.shadow.max()))
    assert len(opaque) >= 2
    assert min(opaque) > 0.2
