"""What is said of simulated skies: right on the whole, wrong in every way that a mask can be."""

import torch
from torch.nn import functional as F

from unclouded.data.clouds import Sky
from unclouded.data.imperfect_masks import draw_cover

COUNT, SIDE = 300, 96


def skies() -> Sky:
    """Opaque cloud with a shadow beside it, and a cloud of its own, the same in all."""
    cloud, shadow = torch.zeros(COUNT, 1, SIDE, SIDE), torch.zeros(COUNT, 1, SIDE, SIDE)
    cloud[..., 20:44, 20:44] = 1
    cloud[..., 70:80, 70:80] = 1
    shadow[..., 50:60, 20:44] = 0.8
    return Sky(torch.zeros(COUNT, 13, SIDE, SIDE), cloud, shadow)


def drawn(seed: int = 0) -> torch.Tensor:
    return draw_cover(skies(), torch.Generator().manual_seed(seed))


def test_it_is_of_one_state_of_the_randomness_and_within_its_range():
    cover = drawn()
    assert cover.shape == (COUNT, 1, SIDE, SIDE)
    assert cover.min() == -1 and cover.max() == 1
    assert torch.equal(cover, drawn()) and not torch.equal(cover, drawn(1))


def test_a_quarter_is_unknown_and_the_rest_is_mostly_right():
    cover, sky = drawn(), skies()
    known = cover.flatten(1).abs().amax(1) > 0
    assert 0.68 < known.float().mean() < 0.82
    inside = cover[known][..., 28:36, 28:36].mean()
    outside = cover[known][..., 4:12, 80:92].mean()
    assert inside > 0.8 and outside < -0.6
    assert (cover[known][..., 53:57, 26:38].mean() > 0.3) and sky.shadow.max() < 1


def test_masks_are_too_small_and_too_large_and_leave_out_and_make_up_objects():
    cover = drawn()
    known = cover[cover.flatten(1).abs().amax(1) > 0]
    rim, around = known[..., 30, 21], known[..., 30, 16]
    assert (rim < 0).float().mean() > 0.03 and (rim > 0.5).float().mean() > 0.3
    assert (around > 0).float().mean() > 0.1 and (around < 0).float().mean() > 0.1
    left_out = known[..., 72:78, 72:78].amax((-2, -1)) <= 0
    assert 0.01 < left_out.float().mean() < 0.2
    without_shadow = known[..., 53:57, 26:38].amax((-2, -1)) <= 0
    assert 0.1 < without_shadow.float().mean() < 0.4
    made_up = known[..., 4:60, 64:92].amax((-2, -1)) > 0
    assert 0.05 < made_up.float().mean() < 0.5


def test_most_lie_on_the_grid_of_the_detector_and_some_are_as_fine_as_a_given_mask():
    cover = drawn()
    known = cover[cover.flatten(1).abs().amax(1) > 0]
    coarse = F.interpolate(F.avg_pool2d(known, 4), scale_factor=4, mode="nearest")
    on_grid = ((known - coarse).abs() < 1e-5).flatten(1).all(1)
    assert 0.65 < on_grid.float().mean() < 0.85
