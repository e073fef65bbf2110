"""The ground under a known cover: the colour of the clear ground around, the network's where there is none."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from unclouded.clearing.ground import DETAIL, clear_cells, clear_share, fill_ground, settle_ground

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
def test_an_even_cover_is_seen_as_it_is(height: int, width: int, share: float) -> None:
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


NOTHING_THICK = torch.zeros(1, 1, 8, 8)


def test_colour_is_that_of_the_fill_as_long_as_there_is_clear_ground() -> None:
    ground, fill, around = torch.full((1, 2, 8, 8), 0.3), torch.full((1, 2, 8, 8), 0.1), torch.full((1, 1, 8, 8), 0.1)
    settled = settle_ground(ground, torch.zeros(1, 2, 8, 8), fill, around, NOTHING_THICK)
    assert float((settled - fill).abs().max()) < 0.01


def test_an_overcast_region_keeps_the_ground_of_the_network() -> None:
    rng = torch.Generator().manual_seed(2)
    ground, detail, fill = (torch.rand(1, 2, 8, 8, generator=rng) for _ in range(3))
    settled = settle_ground(ground, detail, fill, torch.zeros(1, 1, 8, 8), NOTHING_THICK)
    torch.testing.assert_close(settled, ground)


def test_detail_is_laid_over_the_fill_where_the_ground_shows_through() -> None:
    level, fill, around = torch.full((1, 2, 8, 8), 0.3), torch.full((1, 2, 8, 8), 0.1), torch.ones(1, 1, 8, 8)
    detail = torch.randn(1, 2, 8, 8, generator=torch.Generator().manual_seed(2))
    for thick in (0.0, 0.5, 1.0):
        settled = settle_ground(level + detail, detail, fill, around, torch.full((1, 1, 8, 8), thick))
        kept = settled - settle_ground(level, torch.zeros_like(detail), fill, around, NOTHING_THICK)
        torch.testing.assert_close(kept, DETAIL * (1 - thick) * detail, atol=1e-3, rtol=1e-3)
