"""Haze over large areas: what the air adds to dark bands, and B10; not snow, water, bright soil or a small cloud."""

import pytest
import torch

from unclouded.detection.haze import HAZE_RADIUS, haze

BANDS = ("B02", "B03", "B04", "B08", "B11", "B12")
SPECTRA = {
    "woods": (0.02, 0.03, 0.02, 0.30, 0.12, 0.05),
    "bare soil": (0.10, 0.13, 0.17, 0.22, 0.32, 0.30),
    "salt": (0.50, 0.55, 0.58, 0.60, 0.30, 0.20),
    "snow": (0.30, 0.29, 0.28, 0.27, 0.04, 0.03),
    "silty water": (0.10, 0.13, 0.12, 0.05, 0.01, 0.01),
}
SMOKE = (0.08, 0.06, 0.05, 0.02, 0.0, 0.0)
"""What smoke adds: much in the blue, nothing in the short-wave infrared."""


def image(name: str, added: tuple[float, ...] = (0.0,) * 6, side: int = 60) -> torch.Tensor:
    spectrum = torch.tensor(SPECTRA[name]) + torch.tensor(added)
    noise = 0.004 * torch.randn(1, 6, side, side, generator=torch.Generator().manual_seed(3))
    return spectrum.view(1, 6, 1, 1) + noise


@pytest.mark.parametrize("name", SPECTRA)
def test_clear_land_water_and_snow_are_not_hazy(name: str) -> None:
    assert haze(image(name), BANDS, "L2A").max() == 0


def test_smoke_over_land_is() -> None:
    assert haze(image("woods", SMOKE), BANDS, "L2A").min() > 0.9


def test_the_air_above_the_surface_has_a_blue_of_its_own() -> None:
    path = (0.07, 0.04, 0.02, 0.01, 0.0, 0.0)
    assert haze(image("woods", path), BANDS, "L1C").max() == 0
    assert haze(image("woods", path), BANDS, "L2A").min() > 0.9


def test_cirrus_is_detected_by_b10_alone_and_only_at_the_top_of_the_atmosphere() -> None:
    scene = torch.cat([image("bare soil"), torch.full((1, 1, 60, 60), 0.03)], dim=1)
    assert haze(scene, (*BANDS, "B10"), "L1C").min() > 0.9
    scene[:, 6] = 0.002
    assert haze(scene, (*BANDS, "B10"), "L1C").max() == 0


def test_a_small_cloud_makes_no_area_hazy() -> None:
    scene = image("woods")
    scene[..., 25:31, 25:31] = 0.3
    assert haze(scene, BANDS, "L2A").max() < 0.1


def test_without_short_wave_infrared_there_is_no_haze() -> None:
    assert haze(image("woods", SMOKE)[:, :4], BANDS[:4], "L2A").max() == 0


def test_it_is_local_and_nothing_where_there_is_no_data() -> None:
    scene = image("woods", SMOKE, 3 * HAZE_RADIUS)
    scene[..., :10] = torch.nan
    whole = haze(scene, BANDS, "L2A")
    assert (whole[..., :10] == 0).all() and torch.isfinite(whole).all()
    part = haze(scene[:, :, : 2 * HAZE_RADIUS], BANDS, "L2A")
    torch.testing.assert_close(part[:, :, :HAZE_RADIUS], whole[:, :, :HAZE_RADIUS])
