"""What a scene classification adds to the detector's answer, and what it must never add."""

import numpy as np
import torch

from unclouded.detection.scl import JOIN_RADIUS, count_snow, join, shares


def answers(cloud=0.0, shadow=0.0, dark=0.0, side=24):
    return torch.tensor([cloud, shadow, 0, dark])[None, :, None, None] * torch.ones(1, 4, side, side)


def test_shares_of_cloud_and_shadow_over_a_detectors_pixel():
    values = np.full((8, 8), 4, np.int32)
    values[:4, :2] = 9
    values[4:, 4:] = 3
    values[4:, :4] = 10  # thin cirrus has no say
    np.testing.assert_array_equal(shares(values, 4), [[[0.5, 0], [0, 0]], [[0, 0], [0, 1]]])


def test_where_the_detector_finds_nothing_no_cover_is_added():
    everything = torch.ones(1, 2, 24, 24)
    assert not join(answers(), everything).any()
    assert join(answers(0.002), everything).max() < 0.01  # snow and roofs, as the detector sees them


def test_its_shadow_is_believed_where_land_is_dark_and_its_cloud_is_not():
    joined = join(answers(dark=0.9), torch.ones(1, 2, 24, 24))
    assert not joined[:, 0].any()
    assert torch.allclose(joined[:, 1], torch.tensor(0.9))


def test_it_completes_what_the_detector_finds_nearby_and_takes_nothing_away():
    found = answers()
    found[0, 0, :, :12] = 0.9
    called = torch.zeros(1, 2, 24, 24)
    called[0, 0, :, 10:20] = 1
    called[0, 1, :, 13] = 1
    joined = join(found, called)
    assert (joined >= found).all()
    assert (joined[0, 0, :, 12] > 0.5).all() and (joined[0, 1, :, 13] > 0).all()
    assert not joined[0, :, :, 12 + JOIN_RADIUS :].any()
    assert torch.equal(join(found, torch.zeros_like(called)), found)


def test_snow_counts_as_known():
    values = np.array([[11, 11, 4, 0], [11, 1, -1, 9]], np.int32)
    valid = np.array([[1, 1, 1, 1], [0, 1, 1, 1]], bool)
    assert count_snow(values, valid) == (2, 4)
