import pytest
import torch

from unclouded.detection.filters import maximum_filter, mean_filter, octagon_maximum_filter

IMAGE = torch.randn(2, 3, 37, 23, generator=torch.Generator().manual_seed(0))


def naive_filter(image, radius, reduce):
    """`reduce` applied to the window of every pixel, cut at the edges of the image."""
    height, width = image.shape[2:]
    rows = [
        torch.stack(
            [
                reduce(
                    image[..., max(0, row - radius) : row + radius + 1, max(0, column - radius) : column + radius + 1]
                )
                for column in range(width)
            ],
            dim=-1,
        )
        for row in range(height)
    ]
    return torch.stack(rows, dim=-2)


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 4, 12, 16, 24, 60])
def test_each_pixel_gets_the_highest_and_the_mean_of_its_window(radius):
    assert torch.equal(maximum_filter(IMAGE, radius), naive_filter(IMAGE, radius, lambda window: window.amax((2, 3))))
    mean = naive_filter(IMAGE.double(), radius, lambda window: window.mean((2, 3))).float()
    assert torch.allclose(mean_filter(IMAGE, radius), mean, atol=1e-5)


@pytest.mark.parametrize("radius", [1, 3, 4])
def test_a_crop_that_holds_the_window_gives_the_same_bits(radius):
    inner = (..., slice(radius, -radius), slice(radius, -radius))
    crop = (..., slice(8, 30), slice(5, 21))
    for apply in (maximum_filter, octagon_maximum_filter, mean_filter):
        assert torch.equal(apply(IMAGE[crop], radius)[inner], apply(IMAGE, radius)[crop][inner])


def test_around_a_single_pixel_the_highest_shows_an_octagon():
    image = torch.zeros(1, 1, 21, 21)
    image[..., 10, 10] = 1
    for radius, area in ((1, 9), (2, 21), (3, 45), (4, 65)):
        found = octagon_maximum_filter(image, radius)[0, 0]
        assert found.sum() == area
        assert found[10, 10 - radius] == found[10 + radius, 10] == 1 and not found[10, 10 - radius - 1]
        assert torch.equal(found, found.T) and torch.equal(found, found.flip(0))


def test_the_mean_of_what_is_one_all_over_is_one():
    assert torch.equal(mean_filter(torch.ones(1, 1, 20, 30), 7), torch.ones(1, 1, 20, 30))
