"""The ground under a known cover: the colour of the clear ground around, the network's where there is none."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import ndimage

from unclouded.bands import INDEX, L1C
from unclouded.clearing.context.ground import (
    DETAIL,
    MISSED,
    MISSED_WITH_MASK,
    belief_in_fill,
    clear_cells,
    clear_share,
    fill_ground,
    match_level,
    settle_ground,
)
from unclouded.clearing.patch import clear_patch
from unclouded.models.weights import load_generator

PRIOR = torch.full((2,), 0.15)


def test_covered_pixels_do_not_enter_a_cell() -> None:
    image = torch.full((1, 2, 16, 16), 0.1)
    image[..., :5, :5] = 0.9
    clear = torch.ones(1, 1, 16, 16)
    clear[..., :5, :5] = 0
    means, share = clear_cells(image, clear, 8)
    torch.testing.assert_close(means, torch.full((1, 2, 2, 2), 0.1))
    torch.testing.assert_close(share[0, 0], torch.tensor([[1 - 25 / 64, 1.0], [1.0, 1.0]]))


def test_a_cell_without_clear_pixels_is_finite_and_without_weight() -> None:
    means, share = clear_cells(torch.ones(1, 2, 8, 8), torch.zeros(1, 1, 8, 8), 8)
    assert float(share) == 0
    torch.testing.assert_close(means, torch.zeros(1, 2, 1, 1))


def test_clear_cells_keep_their_colour_and_covered_ones_take_it() -> None:
    means = 0.1 + 0.2 * torch.rand(1, 2, 20, 28, generator=torch.Generator().manual_seed(1))
    share = torch.ones(1, 1, 20, 28)
    means[..., 8:12, 9:14] = 0
    share[..., 8:12, 9:14] = 0
    filled = fill_ground(means, share, PRIOR)
    shown = (share > 0).expand_as(means)
    assert float((filled - means)[shown].abs().max()) < 0.01
    hidden = filled[..., 8:12, 9:14]
    assert 0.1 < float(hidden.min()) <= float(hidden.max()) < 0.3


@given(st.integers(1, 150), st.integers(1, 150), st.floats(0, 1))
def test_a_uniform_cover_keeps_its_opacity(height: int, width: int, share: float) -> None:
    around = clear_share(torch.full((1, 1, height, width), share), torch.ones(1, 1, height, width))
    torch.testing.assert_close(around, torch.full((1, 1, height, width), share))


def test_the_edge_of_the_data_is_no_cover() -> None:
    valid = torch.ones(1, 1, 90, 90)
    valid[..., 30:] = 0
    around = clear_share(0.5 * valid, valid)
    torch.testing.assert_close(around[..., :30], torch.full((1, 1, 90, 30), 0.5))
    assert bool(torch.isfinite(around).all())


def test_far_cover_does_not_change_what_is_near() -> None:
    share = torch.ones(1, 1, 512, 64)
    share[..., 384:, :] = 0
    around = clear_share(share, torch.ones_like(share))
    torch.testing.assert_close(around[..., :256, :], torch.ones(1, 1, 256, 64))
    torch.testing.assert_close(around[..., 480:, :], torch.zeros(1, 1, 32, 64))


THIRTEEN = ("B02", "B03", "B04", "B11")


def colours(**reflectance: float) -> torch.Tensor:
    """An image (1, 13, 8, 8) of even colours, 0 in the other bands."""
    image = torch.zeros(1, 13, 8, 8)
    for name, value in reflectance.items():
        image[:, INDEX[name]] = value
    return image


LAND = colours(B02=0.05, B03=0.08, B04=0.08, B11=0.2)
CLOUD = colours(B02=0.5, B03=0.5, B04=0.5, B11=0.4)
SNOW = colours(B02=0.8, B03=0.8, B04=0.8, B11=0.1)
SAND = colours(B02=0.2, B03=0.3, B04=0.4, B11=0.5)


def belief(fill: torch.Tensor, around: float, missed: float = MISSED, bands: tuple[str, ...] = THIRTEEN) -> float:
    return float(belief_in_fill(LAND, fill, torch.full((1, 1, 8, 8), around), missed, bands).mean())


def test_the_fill_is_believed_as_far_as_there_is_clear_ground() -> None:
    assert belief(LAND, 0.0) == 0
    assert belief(LAND, MISSED) < 0.55 < 0.9 < belief(LAND, 0.2) < belief(LAND, 0.5)
    assert belief(LAND, 0.001, MISSED_WITH_MASK) > 0.9


def test_what_looks_like_cloud_among_cloud_is_not_believed_but_sand_is_and_snow_rather() -> None:
    assert belief(CLOUD, 0.1) < 0.15
    assert belief(SAND, 0.1) == belief(LAND, 0.1) > 0.8
    assert belief(CLOUD, 0.5) < 0.55 < 0.7 < belief(SNOW, 0.5)
    assert belief(CLOUD, 0.1, bands=("B03", "B04", "B11")) == belief(LAND, 0.1)
    assert belief(CLOUD, 0.99) > 0.9


def test_the_network_where_the_fill_is_not_believed_and_the_fill_where_it_is() -> None:
    rng = torch.Generator().manual_seed(2)
    ground, detail, fill = (torch.rand(1, 13, 8, 8, generator=rng) for _ in range(3))
    none, all_of_it = torch.zeros(1, 1, 8, 8), torch.ones(1, 1, 8, 8)
    torch.testing.assert_close(settle_ground(ground, detail, fill, none, none), ground)
    torch.testing.assert_close(settle_ground(ground, detail, fill, all_of_it, all_of_it), fill)


def test_detail_is_laid_over_the_fill_where_the_ground_shows_through() -> None:
    rng = torch.Generator().manual_seed(2)
    ground, detail, fill = (torch.rand(1, 13, 8, 8, generator=rng) for _ in range(3))
    for thick in (0.0, 0.5, 1.0):
        settled = settle_ground(ground, detail, fill, torch.ones(1, 1, 8, 8), torch.full((1, 1, 8, 8), thick))
        torch.testing.assert_close(settled - fill, DETAIL * (1 - thick) * detail)


def seen_in_part(opacity: float = 0.5) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Image and ground to expect (1, 2, 60, 60), and opacity: a gap in thick cloud, bluish and with stripes in it."""
    expected = torch.full((1, 2, 60, 60), 0.1)
    covers = torch.ones(1, 1, 60, 60)
    covers[..., 10:50, 10:50] = opacity
    image = expected.clone()
    image[:, 0, 10:50, 10:50] += 0.04
    image[:, :, 10:50, 10:50:2] += 0.02
    return image, expected, covers


def test_a_gap_in_cloud_has_the_level_of_the_ground_to_expect_and_keeps_its_detail() -> None:
    image, expected, covers = seen_in_part()
    made = match_level(image, expected, covers, torch.ones_like(covers))
    gap = made[..., 15:45, 15:45]
    torch.testing.assert_close(gap.mean((2, 3)), torch.full((1, 2), 0.1), atol=1e-3, rtol=0)
    torch.testing.assert_close(gap[..., ::2] - gap[..., 1::2], torch.full((1, 2, 30, 15), -0.02), atol=5e-3, rtol=0)
    torch.testing.assert_close(made[covers.expand_as(made) == 1], expected[covers.expand_as(made) == 1])


@given(st.floats(0, 1), st.sampled_from([(0.5, 0.0), (0.0, 1.0), (1.0, 1.0)]))
def test_with_clear_ground_or_without_mixing_every_pixel_stays(shade: float, given: tuple[float, float]) -> None:
    opacity, unknown = given
    image, expected, covers = seen_in_part(opacity)
    covers[:] = opacity
    made = match_level(image * shade, expected, covers, torch.full_like(covers, unknown))
    assert torch.equal(made, image * shade)


def test_a_shaded_gap_in_cloud_hardly_stands_out() -> None:
    random = np.random.default_rng(1)

    def texture(pixels: float) -> np.ndarray:
        smooth = ndimage.gaussian_filter(random.standard_normal((160, 160)), pixels)
        return smooth / smooth.std()

    ground = np.array([0.1, 0.09, 0.09, 0.08, 0.12, 0.2, 0.22, 0.24, 0.25, 0.1, 0.002, 0.2, 0.12])
    shade = ground * np.array([0.8, 0.7, 0.6, 0.5] + [0.45] * 9)
    top = np.array([1] * 10 + [0.02, 0.6, 0.5])
    gap = np.zeros((160, 160))
    gap[50:110, 40:120] = 1
    gap = ndimage.gaussian_filter(gap, 3)
    shaded, clouded = shade[:, None, None] * (1 + 0.1 * texture(2)), top[:, None, None] * (0.7 + 0.08 * texture(6))
    image = shaded * gap + clouded * (1 - gap)
    cleared, opacity, _ = clear_patch(image.astype(np.float32), L1C, "L1C", load_generator("default")[0])
    assert 0.4 < opacity[gap > 0.98].mean() < 0.7
    step = cleared[:, gap > 0.98].mean(axis=1) - cleared[:, gap < 0.02].mean(axis=1)
    assert np.abs(step).mean() < 0.01  # 0.012 where the gap keeps half of its own colour
