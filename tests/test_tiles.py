from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from unclouded.tiles import Box, Tile, cut, divide, narrow

steps = st.sampled_from([1, 4, 8])


@given(st.integers(1, 90), st.integers(1, 90), steps, st.integers(1, 6), st.integers(0, 4), st.data())
def test_cores_cover_the_grid_once_and_outers_see_the_margin(height, width, step, size, margin, data):
    offset = tuple(step * data.draw(st.integers(0, 12)) for _ in range(2))
    covered = np.zeros((height, width), int)
    for tile in cut(height, width, size=size * step, margin=margin * step, step=step, offset=offset):
        covered[tile.inner.slices] += 1
        assert max(tile.inner.height, tile.inner.width) <= size * step
        assert tile.padded.row == max(tile.inner.row - margin * step, 0)
        assert tile.padded.bottom == min(tile.inner.bottom + margin * step, height)
        assert tile.padded.column == max(tile.inner.column - margin * step, 0)
        assert tile.padded.right == min(tile.inner.right + margin * step, width)
        assert tile.padded.row % step == tile.padded.column % step == 0
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


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 3), st.sampled_from([8, 16]), st.data())
def test_a_narrowed_tile_holds_the_wanted_cells_and_little_more(height, width, margin, step, data):
    scene = Box(0, 0, height, width)
    tile = data.draw(st.sampled_from(list(cut(height, width, size=32, margin=8 * margin, step=8))))
    shape = (-(-tile.inner.height // 8), -(-tile.inner.width // 8))
    wanted = np.array(data.draw(st.lists(st.booleans(), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1])))
    wanted = wanted.reshape(shape)
    wanted[data.draw(st.integers(0, shape[0] - 1)), data.draw(st.integers(0, shape[1] - 1))] = True
    part = narrow(tile, wanted, 8, 8 * margin, step)
    assert part.padded == part.inner.grown(8 * margin, scene)
    pixels = wanted.repeat(8, 0).repeat(8, 1)[: tile.inner.height, : tile.inner.width]
    inside = part.inner.within(tile.inner)
    assert pixels[inside.slices].sum() == pixels.sum()
    assert inside.row % step == inside.column % step == 0
    assert inside.height % step == 0 or inside.bottom == tile.inner.height
    rows, columns = pixels[inside.slices].any(1), pixels[inside.slices].any(0)
    assert all(side[:step].any() and side[-step:].any() for side in (rows, columns))


def test_the_whole_core_is_kept_where_all_is_wanted():
    tile = Tile(Box(8, 16, 13, 9), Box(0, 8, 21, 17))
    assert narrow(tile, np.ones((2, 2), bool), 8, 8, 8) == tile


def test_a_joined_box_is_the_smallest_that_holds_both():
    assert Box(2, 9, 3, 4).joined(Box(0, 10, 3, 9)) == Box(0, 9, 5, 10)


def padded_pixels(part):
    return 300 + part.padded.height * part.padded.width


@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 3), st.sampled_from([8, 16]), st.data())
def test_a_divided_tile_holds_the_wanted_cells_once_and_costs_no_more_than_undivided(height, width, margin, step, data):
    tile = data.draw(st.sampled_from(list(cut(height, width, size=32, margin=8 * margin, step=8))))
    shape = (-(-tile.inner.height // 8), -(-tile.inner.width // 8))
    wanted = np.array(data.draw(st.lists(st.booleans(), min_size=shape[0] * shape[1], max_size=shape[0] * shape[1])))
    wanted = wanted.reshape(shape)
    parts = divide(tile, wanted, 8, 8 * margin, step, padded_pixels)
    held = np.zeros(wanted.shape, int)
    for part in parts:
        assert part.inner.grown(0, tile.inner) == part.inner
        assert part.padded == part.inner.grown(8 * margin, Box(0, 0, height, width))
        held[part.inner.within(tile.inner).cells(8)] += 1
    assert (held <= 1).all()
    assert (held[wanted] == 1).all()
    if wanted.any():
        assert sum(map(padded_pixels, parts)) <= padded_pixels(narrow(tile, wanted, 8, 8 * margin, step))
    else:
        assert not parts


def test_what_is_wanted_in_corners_is_not_looked_for_between_them():
    tile = Tile(Box(0, 0, 512, 512), Box(0, 0, 512, 512))
    wanted = np.zeros((64, 64), bool)
    wanted[:4, :4] = wanted[-4:, -4:] = True
    corners = [Tile(Box(0, 0, 32, 32), Box(0, 0, 48, 48)), Tile(Box(480, 480, 32, 32), Box(464, 464, 48, 48))]
    assert divide(tile, wanted, 8, 16, 32, padded_pixels) == corners
