import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from unclouded.evaluation.fills import mean_fill, smooth_fill

FILLS = [mean_fill, smooth_fill]


@pytest.mark.parametrize("fill", FILLS)
@given(
    image=arrays.arrays(np.float32, (3, 9, 14), elements=st.floats(0, 1.5, width=32)),
    cloudy=arrays.arrays(np.bool_, (9, 14)),
)
def test_touches_only_cloudy_pixels_and_stays_within_the_clear_ones(fill, image, cloudy):
    filled = fill(image, cloudy)
    assert np.array_equal(filled[:, ~cloudy], image[:, ~cloudy])
    if cloudy.all():
        assert np.array_equal(filled, image)
        return
    for band, clear in zip(filled, image[:, ~cloudy], strict=True):
        assert clear.min() - 1e-5 <= band[cloudy].min(initial=clear.max())
        assert clear.max() + 1e-5 >= band[cloudy].max(initial=clear.min())


def test_mean_fill_takes_each_bands_own_mean():
    image = np.array([[[0.1, 0.3, 9.0]], [[0.5, 0.7, 9.0]]], np.float32)
    filled = mean_fill(image, np.array([[False, False, True]]))
    assert filled[:, 0, 2] == pytest.approx([0.2, 0.6])


def test_smooth_fill_follows_a_slope_that_the_mean_does_not():
    slope = np.broadcast_to(np.linspace(0, 1, 64, dtype=np.float32), (1, 64, 64))
    cloudy = np.zeros((64, 64), bool)
    cloudy[:, 40:50] = True
    errors = [np.abs(fill(slope, cloudy) - slope)[0, cloudy].mean() for fill in FILLS]
    assert errors[1] < 0.1 < errors[0]
