"""The ground pyramid: fills from what is trusted, as near as it is found."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from unclouded.models.blocks import soften, spread_ground

PRIOR = torch.full((2,), 0.15)


@given(st.integers(1, 40), st.integers(1, 40))
def test_constant_ground_stays_constant(height: int, width: int) -> None:
    values = torch.full((1, 2, height, width), 0.3)
    weight = (torch.rand(1, 1, height, width, generator=torch.Generator().manual_seed(height)) > 0.5).float()
    weight[..., 0, 0] = 1
    filled = spread_ground(values, weight, torch.full((2,), 0.3), persistence=0.1)
    torch.testing.assert_close(filled, values)


def test_untrusted_values_do_not_count() -> None:
    values = torch.full((1, 2, 16, 16), 0.2)
    weight = torch.ones(1, 1, 16, 16)
    values[..., 4:9, 4:9] = 1.0
    weight[..., 4:9, 4:9] = 0
    filled = spread_ground(values, weight, PRIOR, persistence=0.1)
    assert float((filled - 0.2).abs().max()) < 1e-3


def test_prior_where_nothing_is_trusted() -> None:
    filled = spread_ground(torch.ones(1, 2, 9, 5), torch.zeros(1, 1, 9, 5), PRIOR, persistence=0.1)
    torch.testing.assert_close(filled, torch.full((1, 2, 9, 5), 0.15))


def test_near_ground_counts_more_than_far() -> None:
    values = torch.cat([torch.full((1, 2, 32, 32), 0.1), torch.full((1, 2, 32, 32), 0.4)], dim=3)
    weight = torch.ones(1, 1, 32, 64)
    weight[..., 14:18, 10:12] = 0
    filled = spread_ground(values, weight, PRIOR, persistence=0.1)
    assert float((filled[..., 14:18, 10:12] - 0.1).abs().max()) < 0.05


def test_soften_keeps_planes_and_removes_checkerboards() -> None:
    rows, columns = torch.meshgrid(torch.arange(12.0), torch.arange(10.0), indexing="ij")
    plane = (rows + 2 * columns)[None, None]
    torch.testing.assert_close(soften(plane)[..., 2:-2, 2:-2], plane[..., 2:-2, 2:-2])
    board = ((rows + columns) % 2)[None, None]
    torch.testing.assert_close(soften(board)[..., 2:-2, 2:-2], torch.full((1, 1, 8, 6), 0.5))
