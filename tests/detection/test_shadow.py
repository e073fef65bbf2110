"""Land too dark to be sunlit: shadow, and not woods, water or what holds no data."""

import pytest
import torch

from unclouded.detection.shadow import shaded_regions, too_dark, water

BANDS = ("B02", "B03", "B04", "B08")
SHADED = {"L1C": (0.09, 0.07, 0.05, 0.075), "L2A": (0.014, 0.014, 0.011, 0.041)}
SUNLIT = {
    "spruce": ((0.08, 0.06, 0.035, 0.17), (0.02, 0.03, 0.02, 0.16)),
    "fields": ((0.10, 0.09, 0.07, 0.30), (0.04, 0.07, 0.06, 0.30)),
    "lake": ((0.13, 0.11, 0.08, 0.07), (0.05, 0.06, 0.05, 0.03)),
    "sea": ((0.11, 0.08, 0.05, 0.035), (0.03, 0.02, 0.01, 0.01)),
    "cloud": ((0.5, 0.5, 0.5, 0.5), (0.5, 0.5, 0.5, 0.5)),
}


def image(spectrum: tuple[float, ...]) -> torch.Tensor:
    return torch.tensor(spectrum).view(1, 4, 1, 1).expand(1, 4, 5, 6).clone()


@pytest.mark.parametrize("level", ["L1C", "L2A"])
def test_land_in_shadow_is_too_dark(level: str) -> None:
    assert (too_dark(image(SHADED[level]), BANDS, level) == 1).all()


@pytest.mark.parametrize("name", SUNLIT)
def test_sunlit_land_water_and_cloud_are_not(name: str) -> None:
    for level, spectrum in zip(("L1C", "L2A"), SUNLIT[name], strict=True):
        assert (too_dark(image(spectrum), BANDS, level) == 0).all()


SIX = (*BANDS, "B11", "B12")


@pytest.mark.parametrize(
    ("name", "spectrum", "expected"),
    [
        ("forest in shadow", (0.014, 0.014, 0.011, 0.041, 0.025, 0.017), 1),
        ("burnt land", (0.017, 0.020, 0.028, 0.041, 0.14, 0.159), 0),
        ("black wet soil", (0.015, 0.019, 0.027, 0.048, 0.110, 0.090), 0),
        ("lake", (0.015, 0.014, 0.012, 0.014, 0.013, 0.010), 0),
    ],
)
def test_short_wave_infrared_separates_shadow_from_dark_surfaces(name, spectrum, expected) -> None:
    scene = torch.tensor(spectrum).view(1, 6, 1, 1)
    assert too_dark(scene, SIX, "L2A").item() == expected
    without = torch.tensor([*spectrum[:5], torch.nan]).view(1, 6, 1, 1)
    assert too_dark(without, SIX, "L2A").item() == 0


WATER = {
    "lake": {"L1C": (0.12, 0.10, 0.07, 0.05, 0.015, 0.01), "L2A": (0.04, 0.05, 0.04, 0.02, 0.01, 0.005)},
    "river": {"L1C": (0.12, 0.11, 0.09, 0.05, 0.02, 0.015), "L2A": (0.05, 0.07, 0.07, 0.04, 0.02, 0.01)},
}
LAND = {
    "land in shadow": {
        "L1C": (0.094, 0.075, 0.067, 0.086, 0.05, 0.03),
        "L2A": (0.014, 0.013, 0.010, 0.038, 0.024, 0.017),
    },
    "shadow through haze": {"L1C": (0.16, 0.13, 0.10, 0.08, 0.02, 0.01), "L2A": (0.12, 0.09, 0.07, 0.07, 0.02, 0.01)},
    "shaded snow": {"L1C": (0.3, 0.25, 0.22, 0.2, 0.03, 0.02), "L2A": (0.25, 0.22, 0.2, 0.18, 0.03, 0.02)},
    "spruce": {"L1C": (0.08, 0.06, 0.035, 0.17, 0.07, 0.03), "L2A": (0.02, 0.03, 0.02, 0.16, 0.06, 0.03)},
    "snow": {"L1C": (0.8, 0.8, 0.8, 0.8, 0.1, 0.1), "L2A": (0.8, 0.8, 0.8, 0.8, 0.1, 0.1)},
}


@pytest.mark.parametrize("level", ["L1C", "L2A"])
def test_water_is_separated_from_land_in_shadow_and_from_snow(level: str) -> None:
    for spectra, expected in ((WATER, 1), (LAND, 0)):
        for name, spectrum in spectra.items():
            scene = torch.tensor(spectrum[level]).view(1, 6, 1, 1)
            assert water(scene, SIX, level).item() == expected, name
    scene = torch.tensor(WATER["lake"][level]).view(1, 6, 1, 1)
    assert not water(scene[:, :4], BANDS, level).any()  # without short-wave infrared nothing tells
    assert not water(scene * torch.nan, SIX, level).any()


def test_it_falls_smoothly_as_the_near_infrared_rises_and_is_nothing_without_data() -> None:
    scene = image(SHADED["L2A"])[..., :1, :1].expand(1, 4, 1, 200).clone()
    scene[0, 3, 0] = torch.linspace(0.03, 0.2, 200)
    found = too_dark(scene, BANDS, "L2A")[0, 0, 0]
    assert found[0] == 1 and found[-1] == 0
    assert (found.diff() <= 0).all() and found.diff().abs().max() < 0.05
    scene[..., :50] = torch.nan
    assert (too_dark(scene, BANDS, "L2A")[..., :50] == 0).all()


def shaded_scene(share: float) -> torch.Tensor:
    """Land (1, 6, 40, 44), so much of it in the sun, with brighter fields in shadow and columns without data."""
    scene = torch.tensor([0.02, 0.03, 0.03, 0.06, 0.04, 0.03]).view(1, 6, 1, 1).repeat(1, 1, 40, 44)
    scene[:, 3, ::8, ::8] = 0.13  # not too dark by itself
    scene[:, :, : int(40 * share)] *= 4
    scene[..., 40:] = torch.nan
    return scene


@pytest.mark.parametrize("sunlit", [0.1, 0.4, 0.8])
def test_regions_of_a_small_scene_that_are_mostly_too_dark_lie_in_shadow_where_they_are_not_sunlit(
    sunlit: float,
) -> None:
    scene = shaded_scene(sunlit)
    shaded = shaded_regions(too_dark(scene, SIX, "L2A"), scene, SIX, "L2A")
    edge = int(40 * sunlit)
    assert (shaded[..., edge + 6 :, :40] > 0.9).all()
    assert not shaded[..., :edge, :].any() and not shaded[..., 40:].any()
    # Without short-wave infrared it may be burnt.
    assert not shaded_regions(too_dark(scene[:, :4], BANDS, "L2A"), scene[:, :4], BANDS, "L2A").any()


def test_a_strip_that_is_too_dark_is_no_region() -> None:
    scene = shaded_scene(0.95)
    assert not shaded_regions(too_dark(scene, SIX, "L2A"), scene, SIX, "L2A").any()


def test_a_scene_without_data_lies_in_no_shadow(recwarn: pytest.WarningsRecorder) -> None:
    scene = torch.full((1, 6, 3, 4), torch.nan)
    assert not shaded_regions(too_dark(scene, SIX, "L2A"), scene, SIX, "L2A").any()
    assert not recwarn.list


@pytest.mark.parametrize(("level", "air"), [("L1C", (0.09, 0.035, 0.02, 0.007, 0, 0)), ("L2A", (0, 0, 0, 0, 0, 0))])
def test_flooded_fields_lie_in_no_shadow_and_dark_land_does(level: str, air: tuple[float, ...]) -> None:
    for spectrum, shaded in (
        ((0.05, 0.06, 0.06, 0.085, 0.03, 0.02), False),
        ((0.01, 0.02, 0.02, 0.08, 0.05, 0.03), True),
    ):
        scene = (torch.tensor(spectrum) + torch.tensor(air)).view(1, 6, 1, 1).expand(1, 6, 20, 20)
        found = shaded_regions(torch.ones(1, 1, 20, 20), scene, SIX, level)
        assert (found > 0.9).all() if shaded else not found.any()


def test_land_under_haze_lies_in_no_shadow() -> None:
    ground = torch.tensor((0.01, 0.02, 0.02, 0.08, 0.05, 0.03)).view(1, 6, 1, 1).expand(1, 6, 20, 20)
    scattered = torch.tensor((0.06, 0.03, 0.02, 0.01, 0.0, 0.0)).view(1, 6, 1, 1)
    dark = torch.ones(1, 1, 20, 20)
    assert (shaded_regions(dark, ground + scattered / 4, SIX, "L2A") > 0.9).all()
    assert not shaded_regions(dark, ground + scattered, SIX, "L2A").any()
