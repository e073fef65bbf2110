"""Weights of a classifier: what is written comes back, and weights of another network or class list are refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from unclouded.bands import TEN
from unclouded.errors import WeightsError
from unclouded.models import land_cover as networks
from unclouded.models.context_generator import ContextGenerator
from unclouded.models.land_cover import ClassifierSettings, LandCover
from unclouded.models.weights import load_generator, load_land_cover, save_generator, save_land_cover
from unclouded.models.weights_file import FORMAT, LAND_COVER_FORMAT, format_of
from unclouded.models.weights_header import Header, LandCoverHeader
from unclouded.sizes import GeneratorSettings

CLASSES = ("forest", "pasture", "water")


class Tiny(nn.Module):
    width = 4

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(13, 4, 1)

    def forward(self, image: Tensor, known: Tensor) -> Tensor:
        return self.enter(image).mean(dim=(2, 3))


@pytest.fixture
def saved(tmp_path: Path, monkeypatch) -> Path:
    monkeypatch.setitem(networks.NETWORKS, "resnet18", Tiny)
    classifier = LandCover(ClassifierSettings(CLASSES, bands=TEN, subsets=True))
    classifier.standardise_by(torch.arange(13.0), torch.arange(1.0, 14.0))
    header = LandCoverHeader(
        name="small", bands=TEN, levels=("L2A",), threshold=0.2, data_sha256="abc", metrics={"f1": 0.5}, steps=7
    )
    path = tmp_path / "small.safetensors"
    save_land_cover(classifier, header, path)
    return path


def test_round_trip(saved: Path) -> None:
    classifier, header = load_land_cover(saved, CLASSES)
    assert classifier.settings == ClassifierSettings(CLASSES, bands=TEN, subsets=True)
    assert torch.equal(classifier.spread, torch.arange(1.0, 14.0))
    assert not classifier.training
    assert (header.name, header.bands, header.levels, header.threshold) == ("small", TEN, ("L2A",), 0.2)
    assert (header.metrics, header.data_sha256, header.steps, header.scale) == ({"f1": 0.5}, "abc", 7, 10000.0)
    assert len(header.sha256) == 64
    assert [path.name for path in saved.parent.iterdir()] == ["small.safetensors"]


def test_another_class_list_is_refused_by_its_name(saved: Path) -> None:
    assert load_land_cover(saved, ("desert",), CLASSES)[0].settings.classes == CLASSES
    with pytest.raises(WeightsError, match=r"another class list: 3 classes, among them 'pasture'; .* 2, 1 classes"):
        load_land_cover(saved, ("forest", "desert"), ("water",))
    with pytest.raises(WeightsError, match="another order"):
        load_land_cover(saved, CLASSES[::-1])


def test_each_loader_refuses_the_other_network(saved: Path) -> None:
    generator = saved.with_name("generator.safetensors")
    save_generator(ContextGenerator(GeneratorSettings(widths=(8, 8, 8))), Header(name="generator"), generator)
    with pytest.raises(WeightsError, match=f"{LAND_COVER_FORMAT}.*not.*{FORMAT}"):
        load_generator(saved)
    with pytest.raises(WeightsError, match=f"{FORMAT}.*not.*{LAND_COVER_FORMAT}"):
        load_land_cover(generator)
    assert (format_of(saved), format_of(generator)) == (LAND_COVER_FORMAT, FORMAT)


def test_damaged_weights_are_refused(saved: Path) -> None:
    whole = saved.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], whole.replace(b'\\"resnet18\\"', b'\\"resnet99\\"')):
        assert damaged != whole
        saved.write_bytes(damaged)
        with pytest.raises(WeightsError, match=r"small\.safetensors") as caught:
            load_land_cover(saved)
        assert "\n" not in str(caught.value)
