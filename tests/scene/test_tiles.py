from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unclouded.scene.tiles import Box, cut

steps = st.sampled_from([1, 4, 8])


@given(st.integers(1, 90), st.integers(1, 90), steps, st.integers(1, 6), st.integers(0, 4), st.data())
def test_cores_cover_the_grid_once_and_outers_see_the_margin(height, width, step, size, margin, data):
    offset = tuple(step * data.draw(st.integers(0, 12)) for _ in range(2))
    covered = np.zeros((height, width), int)
    for tile in cut(height, width, size=size * step, margin=margin * step, step=step, offset=offset):
        covered[tile.core.slices] += 1
        assert max(tile.core.height, tile.core.width) <= size * step
        assert tile.outer.row == max(tile.core.row - margin * step, 0)
        assert tile.outer.bottom == min(tile.core.bottom + margin * step, height)
        assert tile.outer.column == max(tile.core.column - margin * step, 0)
        assert tile.outer.right == min(tile.core.right + margin * step, width)
        assert tile.outer.row % step == tile.outer.column % step == 0
    assert (covered == 1).all()


@pytest.mark.parametrize(
    "wrong",
    [
        {"height": 0, "width": 5, "size": 8},
        {"height": 5, "width": 5, "size": 0},
        {"height": 5, "width": 5, "size": 12, "step": 8},
        {"height": 5, "width": 5, "size": 8, "step": 8, "margin": 4},
        {"height": 5, "width": 5, "size": 8, "step": 8, "offset": (0, 3)},
    ],
)
def test_sizes_that_do_not_fit_are_refused(wrong):
    with pytest.raises(ValueError, match="must be"):
        list(cut(**wrong))


def test_a_box_counts_from_the_corner_of_its_outer_box():
    assert Box(20, 30, 4, 5).within(Box(12, 14, 30, 30)) == Box(8, 16, 4, 5)
