import pytest
import torch

from unclouded.detection.filters import maximum_filter, mean_filter, octagon_maximum_filter

IMAGE = torch.randn(2, 3, 37, 23, generator=torch.Generator().manual_seed(0))


def by_hand(image, reach, take):
    """What `take` makes of the window of every pixel, cut at the image's edges."""
    height, width = image.shape[2:]
    rows = [
        torch.stack(
            [
                take(image[..., max(0, row - reach) : row + reach + 1, max(0, column - reach) : column + reach + 1])
                for column in range(width)
            ],
            dim=-1,
        )
        for row in range(height)
    ]
    return torch.stack(rows, dim=-2)


@pytest.mark.parametrize("reach", [0, 1, 2, 3, 4, 12, 16, 24, 60])
def test_each_pixel_gets_the_highest_and_the_mean_of_its_window(reach):
    assert torch.equal(maximum_filter(IMAGE, reach), by_hand(IMAGE, reach, lambda window: window.amax((2, 3))))
    mean = by_hand(IMAGE.double(), reach, lambda window: window.mean((2, 3))).float()
    assert torch.allclose(mean_filter(IMAGE, reach), mean, atol=1e-5)


@pytest.mark.parametrize("reach", [1, 3, 4])
def test_a_crop_that_holds_the_window_gives_the_same_bits(reach):
    inner = (..., slice(reach, -reach), slice(reach, -reach))
    crop = (..., slice(8, 30), slice(5, 21))
    for made in (maximum_filter, octagon_maximum_filter, mean_filter):
        assert torch.equal(made(IMAGE[crop], reach)[inner], made(IMAGE, reach)[crop][inner])


def test_around_a_single_pixel_the_highest_shows_an_octagon():
    image = torch.zeros(1, 1, 21, 21)
    image[..., 10, 10] = 1
    for reach, area in ((1, 9), (2, 21), (3, 45), (4, 65)):
        found = octagon_maximum_filter(image, reach)[0, 0]
        assert found.sum() == area
        assert found[10, 10 - reach] == found[10 + reach, 10] == 1 and not found[10, 10 - reach - 1]
        assert torch.equal(found, found.T) and torch.equal(found, found.flip(0))


def test_the_mean_of_what_is_one_all_over_is_one():
    assert torch.equal(mean_filter(torch.ones(1, 1, 20, 30), 7), torch.ones(1, 1, 20, 30))
