"""The classifiers: shapes, which bands they look at, and features that do not depend on their neighbours in a batch."""

from __future__ import annotations

import pytest
import torch

from unclouded.bands import INDEX, L2A, TEN
from unclouded.errors import InputError
from unclouded.models.land_cover import SIDE, ClassifierSettings, LandCover, ResNet18
from unclouded.models.observation import Observation

CLASSES = ("forest", "pasture", "water")


def classifier(**settings) -> LandCover:
    torch.manual_seed(0)
    made = LandCover(ClassifierSettings(CLASSES, **settings))
    made.standardise_by(torch.full((13,), 0.2), torch.full((13,), 0.1))
    return made.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def resnet() -> LandCover:
    made = classifier()
    for module in made.modules():
        if isinstance(module, torch.nn.BatchNorm2d):  # as after training: every block changes its input
            torch.nn.init.ones_(module.weight)
    return made


def images(count: int, side: int = 32, names: tuple[str, ...] = L2A) -> Observation:
    present = torch.zeros(count, 13)
    present[:, [INDEX[name] for name in names]] = 1
    optical = 0.4 * torch.rand(count, 13, side, side, generator=torch.Generator().manual_seed(1))
    return Observation.of(optical * present[:, :, None, None], present, torch.ones(count))


def test_resnet_18_is_the_published_one() -> None:
    # He et al. 2016 with 13 bands for 3 and without its 1000 classes: 11,176,512 parameters (public implementations),
    # 10 more channels of 64 filters of 7 x 7, and the shift by the bands that are there.
    parameters = sum(parameter.numel() for parameter in ResNet18().parameters())
    assert parameters == 11_176_512 + 10 * 64 * 49 + (14 * 64 + 64)


def test_features_are_512_numbers_and_outputs_one_per_class(resnet: LandCover) -> None:
    x = images(2)
    features = resnet.features(x)
    assert (features.shape, features.dtype) == ((2, 512), torch.float32)
    assert torch.equal(resnet(x), resnet.classify(features))
    assert torch.allclose(resnet.probabilities(resnet(x)).sum(dim=1), torch.ones(2))


def test_the_sigmoid_judges_each_class_for_itself(resnet: LandCover) -> None:
    logits = torch.tensor([[0.0, 3.0, 3.0]])
    assert classifier(network="s_cnn_all", output="sigmoid").probabilities(logits)[0, 1] == torch.sigmoid(
        torch.tensor(3.0)
    )
    assert resnet.probabilities(logits)[0, 1] < 0.5


def test_an_image_alone_has_the_features_it_has_in_a_batch(resnet: LandCover) -> None:
    x = images(3)
    alone = x.images(slice(1, 2))
    assert torch.allclose(resnet.features(alone), resnet.features(x)[1:2], atol=1e-4)


def test_what_it_does_not_look_at_changes_nothing(resnet: LandCover) -> None:
    x = images(1, names=(*L2A, "B10"))
    without = images(1)
    assert torch.equal(resnet.features(x), resnet.features(without))


def test_absent_bands_and_invalid_pixels_hide_their_values(resnet: LandCover) -> None:
    x = images(1, names=TEN)
    rubbish = x._replace(optical=x.optical + 9 * (1 - x.present[:, :, None, None]))
    assert torch.equal(resnet.features(x), resnet.features(rubbish))
    hidden = x._replace(valid=torch.zeros_like(x.valid))
    brighter = hidden._replace(optical=x.optical + 1)
    assert torch.equal(resnet.features(hidden), resnet.features(brighter))


def test_it_knows_an_absent_band_from_an_average_one(resnet: LandCover) -> None:
    x = images(1)
    average, absent = x.optical.clone(), x.present.clone()
    average[:, INDEX["B12"]] = 0.2
    absent[:, INDEX["B12"]] = 0
    seen = resnet.features(x._replace(optical=average))
    assert not torch.allclose(seen, resnet.features(x._replace(optical=average, present=absent)), atol=1e-5)


def test_s_cnn_all_has_the_published_layers() -> None:
    shallow = classifier(network="s_cnn_all", output="sigmoid")
    shapes = [tuple(p.shape) for name, p in shallow.trunk.named_parameters() if name.endswith("weight")]
    assert shapes == [(32, 13, 5, 5), (32, 32, 5, 5), (64, 32, 3, 3), (128, 64 * 30 * 30)]
    assert shallow(images(1, SIDE)).shape == (1, 3)
    with pytest.raises(InputError, match="images of 32 x 32 pixels"):
        shallow(images(1))
