"""Networks take images of any bands as they are, beside what is known of a patch."""

import pytest
import torch
from scenes import active_generator

from unclouded.bands import INDEX, L1C, L2A
from unclouded.errors import InputError
from unclouded.models.observation import Observation


@pytest.mark.parametrize(
    ("bands", "options", "level"),
    [
        (L1C, {}, 0.0),
        (L2A, {}, 1.0),
        (("B04", "B02", "B08"), {"bands": ("B04", "B02", "B08"), "level": "L1C"}, 0.0),
        (("B04", "B10"), {"bands": ("B04", "B10")}, 0.0),
    ],
)
def test_an_image_is_its_observation(bands, options, level):
    generator = active_generator()
    image = torch.rand(2, len(bands), 24, 40) + 0.01
    image[:, :, :8, :8] = 0
    image[0, 0, 20, 20] = torch.nan
    places = [INDEX[band] for band in bands]
    valid = torch.ones(2, 1, 24, 40)
    valid[:, :, :8, :8] = 0
    valid[0, :, 20, 20] = 0
    optical, present = torch.zeros(2, 13, 24, 40), torch.zeros(2, 13)
    optical[:, places], present[:, places] = image.nan_to_num() * valid, 1
    x = Observation.of(optical, present, torch.full((2,), level), valid)
    z = torch.zeros(2, generator.settings.latent)
    made, expected = generator(image, **options), generator(x, z)
    assert torch.equal(made.ground, expected.ground[:, places])
    assert torch.equal(made.opacity, expected.opacity)
    assert torch.isfinite(made.ground).all()


@pytest.mark.parametrize(
    ("shape", "options", "found"),
    [
        ((1, 4, 8, 8), {}, "of 4 bands, named not at all"),
        ((1, 2, 8, 8), {"bands": ("B02", "B99"), "level": "L2A"}, "B02, B99"),
        ((1, 2, 8, 8), {"bands": ("B02", "B03")}, "level None"),
        ((13, 8, 8), {}, "four dimensions"),
    ],
)
def test_unknown_metadata_must_be_given(shape, options, found):
    with pytest.raises(InputError, match=found):
        active_generator()(torch.rand(*shape), **options)
