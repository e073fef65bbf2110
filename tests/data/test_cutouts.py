import numpy as np
import pytest
import torch

from unclouded import bands
from unclouded.data.clouds import simulate
from unclouded.data.cutouts import CutOut, cut_out, draw
from unclouded.data.patch import Patch


@pytest.fixture
def patch() -> Patch:
    """Dark ground with a grey cloud, opaque in its middle and half transparent in its rim."""
    ground = np.full((13, 64, 64), 0.05, np.float32)
    opacity = np.zeros((64, 64), np.float32)
    opacity[16:48, 16:48] = 0.5
    opacity[24:40, 24:40] = 1
    image = ground * (1 - opacity) + 0.45 * opacity
    return Patch("a", "a", "L1C", image.astype(np.float32), bands.L1C)


def test_ground_is_taken_away_and_cloud_stays(patch):
    cut = cut_out(patch)
    assert (cut.opacity[0, 24:40, 24:40] == 1).all()
    assert (cut.opacity[0, :16] == 0).all() and (cut.light[:, :16] == 0).all()
    assert 0.3 < float(cut.opacity[0, 20, 20]) < 0.7


def test_laid_over_the_same_ground_it_gives_the_image_back(patch):
    cut = cut_out(patch)
    again = 0.05 * (1 - cut.opacity) + cut.light
    assert torch.allclose(again, torch.from_numpy(patch.optical), atol=0.01)


def test_a_drawn_field_has_the_requested_size_and_keeps_to_its_range(patch):
    rng = torch.Generator().manual_seed(0)
    for size in (40, 64, 300):
        light, opacity = draw([cut_out(patch)], size, rng)
        assert light.shape == (13, size, size) and opacity.shape == (1, size, size)
        assert float(opacity.min()) >= 0 and float(opacity.max()) <= 1


def test_a_lent_cloud_hides_the_ground_by_its_opacity():
    """Where the cut-out is opaque nothing of the ground may be seen, whatever the sky."""
    opaque = CutOut(torch.full((13, 64, 64), 0.6), torch.ones(1, 64, 64))
    dark = simulate(torch.zeros(12, 13, 64, 64), torch.zeros(12, 13), torch.Generator().manual_seed(1), None, [opaque])
    bright = simulate(torch.ones(12, 13, 64, 64), torch.zeros(12, 13), torch.Generator().manual_seed(1), None, [opaque])
    lent = [i for i in range(12) if torch.equal(dark.cloudy[i], bright.cloudy[i]) and (dark.cloud[i] > 0.999).all()]
    assert lent, "no sky of twelve showed the lent cloud"


def test_bands_that_the_image_lacks_get_the_light_of_their_neighbours(patch):
    four = ("B02", "B03", "B04", "B08")
    optical = patch.optical * np.array([name in four for name in bands.NAMES], np.float32)[:, None, None]
    lacking = cut_out(Patch("a", "a", "L1C", optical, four))
    whole = cut_out(patch)
    assert torch.equal(lacking.opacity, whole.opacity)
    for name in ("B01", "B8A", "B11"):
        index = bands.INDEX[name]
        assert torch.allclose(lacking.light[index], whole.light[index], atol=0.01)
    assert float(lacking.light[bands.INDEX["B10"]].max()) < 0.05


def test_roofs_are_no_clouds(patch):
    image = np.pad(patch.optical, ((0, 0), (0, 64), (0, 64)), constant_values=0.05)
    image[:, 100:120, 120:124] = 0.5
    cut = cut_out(Patch("a", "a", "L1C", image, bands.L1C))
    assert (cut.opacity[0, 64:] == 0).all()
    assert (cut.opacity[0, 24:40, 24:40] == 1).all()
