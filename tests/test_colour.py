"""The one stretch: true to colour, without the haze of L1C, and never cut to noise."""

import numpy as np
import pytest

from unclouded.colour import coloured, composites_of, fit_stretch, source_colour
from unclouded.reflectance import Encoding

RNG = np.random.default_rng(0)
NATURAL = ("B04", "B03", "B02")


def land(haze: float = 0.0) -> np.ndarray:
    """Reflectance (3, 60, 60) of red, green and blue; haze lifts the blue most."""
    image = RNG.uniform(0.02, 0.25, (1, 60, 60)) * np.array([1.0, 0.9, 0.7])[:, None, None]
    return (image + haze * np.array([0.3, 0.5, 1.0])[:, None, None]).astype(np.float32)


def test_bands_stand_as_red_green_and_blue_and_one_alone_as_grey() -> None:
    image = np.stack([np.full((2, 2), value, np.float32) for value in (0.05, 0.15, 0.3)])
    (shown,) = coloured([image], ("B02", "B03", "B04"), like=image, kind="fixed")
    np.testing.assert_allclose(shown[0, 0], [1, 0.5, 1 / 6], rtol=1e-5)
    assert coloured([image[:1]], ("B08",), like=image[:1])[0].shape == (2, 2)
    assert composites_of(("B01", "B08")) == {"grey": ("B01",)}
    assert composites_of((*NATURAL, "B8A", "B11"))["shortwave"] == ("B11", "B8A", "B04")


def test_a_scene_looks_the_same_with_and_without_haze() -> None:
    clear, hazy = land(), land(0.1)
    looks = [coloured([image], NATURAL, like=image)[0].mean((0, 1)) for image in (clear, hazy)]
    np.testing.assert_allclose(looks[0], looks[1], atol=0.06)


def test_the_span_is_the_same_for_all_bands_so_that_colours_are_true() -> None:
    stretch = fit_stretch(land())
    assert np.ptp(np.subtract(stretch.white, stretch.black)) < 1e-6
    alone = fit_stretch(land(), "bands")
    assert np.ptp(np.subtract(alone.white, alone.black)) > 0.05


@pytest.mark.parametrize("kind", ["scene", "bands"])
def test_water_stays_dark_and_no_data_are_no_ground(kind: str) -> None:
    water = np.full((3, 9, 9), 0.02, np.float32)
    water[:, 0] = np.nan
    stretch = fit_stretch(water, kind)
    assert stretch.colours(water).max() < 0.2 and np.isfinite(stretch.colours(water)).all()
    assert stretch.black[0] <= 0.02 < stretch.white[0]
    assert fit_stretch(np.full((3, 2, 2), np.nan, np.float32), kind).white == (0.3,) * 3


def test_dn_are_shown_as_their_reflectance_is() -> None:
    image, encoding = land(), Encoding(10_000, (-1000.0,) * 3, 0)
    stretch = fit_stretch(image)
    dn = image * 10_000 + 1000
    np.testing.assert_allclose(stretch.of_dn(encoding).colours(dn), stretch.colours(image), atol=1e-5)


def test_sources_have_colours_of_their_own() -> None:
    assert len({source_colour(code) for code in range(1, 7)}) == 6
    assert source_colour(7) == source_colour(2) != source_colour(1)
