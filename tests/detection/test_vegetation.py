"""Sunlit vegetation under clear air, told from that under thin cloud, in shadow or bare."""

import pytest
import torch

from unclouded.bands import TEN_METRES
from unclouded.detection.vegetation import sunlit_vegetation

FOREST = {"B02": 0.025, "B03": 0.05, "B04": 0.03, "B08": 0.28}
AIR = {"B02": 0.06, "B03": 0.035, "B04": 0.015, "B08": 0.007}


def certainty(spectrum, level="L2A") -> float:
    """That it is vegetation under clear air."""
    pixel = torch.tensor([spectrum[name] for name in TEN_METRES])[None, :, None, None]
    return float(sunlit_vegetation(pixel, TEN_METRES, level)[:, 0])


def under(cloud: float, spectrum: dict[str, float]) -> dict[str, float]:
    return {name: (1 - cloud) * value + cloud * 0.7 for name, value in spectrum.items()}


def test_vegetation_is_recognised_at_both_levels() -> None:
    assert certainty(FOREST) == 1
    assert certainty({name: value + AIR[name] for name, value in FOREST.items()}, "L1C") == 1


@pytest.mark.parametrize(
    "spectrum",
    [
        under(0.1, FOREST),
        under(0.9, FOREST),
        {name: 0.3 * value for name, value in FOREST.items()},  # in shadow
        {"B02": 0.08, "B03": 0.12, "B04": 0.18, "B08": 0.25},  # bare soil
        {"B02": 0.05, "B03": 0.04, "B04": 0.02, "B08": 0.01},  # water
        dict.fromkeys(TEN_METRES, float("nan")),
    ],
)
def test_all_else_may_be_covered(spectrum) -> None:
    assert certainty(spectrum) == 0


def test_thin_cloud_at_the_level_of_the_top_of_the_atmosphere_may_be_cover() -> None:
    thin = under(0.05, {name: value + AIR[name] for name, value in FOREST.items()})
    assert certainty(thin, "L1C") == 0


def test_a_bright_field_in_shadow_is_under_clear_air_but_not_sunlit() -> None:
    field = {"B02": 0.04, "B03": 0.09, "B04": 0.05, "B08": 0.55}
    for light, sunlit in ((1, 1), (0.4, 0)):
        pixel = torch.tensor([light * field[name] for name in TEN_METRES])[None, :, None, None]
        assert sunlit_vegetation(pixel, TEN_METRES, "L2A").flatten().tolist() == [1, sunlit]
