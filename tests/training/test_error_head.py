"""The error head learns the errors of what clearing composes, where it replaces something."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_run import changed

from unclouded.clearing.tiles.latent_sampling import Sampled
from unclouded.data.collection import load_collection
from unclouded.errors import UncloudedError
from unclouded.models.observation import Observation
from unclouded.settings import ErrorSettings, TranslatorSettings
from unclouded.training import error_head, translator
from unclouded.training.collection_source import CollectionSource
from unclouded.training.error_head import fit_error_head


class Clearing:
    """Stands for `sample_patch`: gives ground that is off by 0.07 where it replaces, and by 0.5 where it does not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tiny: TranslatorSettings, made_up: Path) -> None:
        self.training = translator.TranslatorTraining(tiny)
        self.source = CollectionSource(load_collection(made_up, made_up / "listing.yaml"), self.training.rng)
        self.masks: list[np.ndarray | None] = []
        self.bands: list[int] = []
        self.truth, self.replaces, self.really = torch.empty(0), True, error_head.sample_patch
        monkeypatch.setattr(error_head, "sample_patch", self.clear)

    def draw(self, size: int) -> object:
        drawn = self.source.simulated(1)
        self.truth = drawn.truth.clamp(0, 0.9)
        return drawn._replace(truth=self.truth)

    def clear(self, x: Observation, generator: object, options: object, mask: np.ndarray | None) -> Sampled:
        self.masks.append(mask)
        self.bands.append(int(x.present.sum()))
        made = self.really(x, generator, options, mask=mask)
        half = np.zeros_like(made.opacity)
        half[: len(half) // 2] = 0.5 if self.replaces else 0
        wrong = np.where(half > 0, np.float32(0.07), np.float32(0.5))
        return made._replace(reflectance=self.truth[0].numpy() + wrong, opacity=half)

    def teach(self, images: int, steps: int) -> float:
        how = ErrorSettings(images=images, pixels=100, steps=steps)
        rng = torch.Generator().manual_seed(0)
        return fit_error_head(self.training.average, self.draw, how, 1, "fp32", rng)


def test_errors_are_those_of_what_is_composed_where_it_replaces(
    monkeypatch: pytest.MonkeyPatch, tiny: TranslatorSettings, made_up: Path
) -> None:
    clearing = Clearing(monkeypatch, tiny, made_up)
    clearing.teach(images=4, steps=800)
    x = clearing.source.simulated(1).observation
    made = clearing.training.average(x, torch.zeros(1, 4))
    assert float(made.expected_error.median()) == pytest.approx(0.07, abs=0.02)


def test_some_images_come_with_a_mask_as_do_all_that_no_detector_reads(
    monkeypatch: pytest.MonkeyPatch, tiny: TranslatorSettings, made_up: Path
) -> None:
    settings = TranslatorSettings.model_validate(tiny.model_dump() | {"detector": "csmask"})
    clearing = Clearing(monkeypatch, settings, made_up)
    clearing.teach(images=12, steps=1)
    assert 0 < sum(mask is not None for mask in clearing.masks) < 12
    few = Clearing(monkeypatch, changed(settings, training={"seed": 5}), made_up)
    drawn = few.source.simulated(1)
    present = torch.zeros(1, 13)
    present[0, [8, 11, 12]] = 1
    blind = drawn.observation._replace(present=present)
    few.draw = lambda size: drawn._replace(observation=blind)
    few.truth = drawn.truth
    few.teach(images=3, steps=1)
    assert few.bands == [3] * 3 and all(mask is not None for mask in few.masks)


@pytest.mark.parametrize("holds_data", [True, False])
def test_if_nothing_is_replaced_that_is_reported(
    monkeypatch: pytest.MonkeyPatch, tiny: TranslatorSettings, made_up: Path, holds_data: bool
) -> None:
    clearing = Clearing(monkeypatch, tiny, made_up)
    clearing.replaces = False
    if not holds_data:
        drawn = clearing.draw(1)
        empty = drawn.observation._replace(valid=torch.zeros_like(drawn.observation.valid))
        clearing.draw = lambda size: drawn._replace(observation=empty)
    with pytest.raises(UncloudedError, match="In 2 simulated images nothing is replaced"):
        clearing.teach(images=2, steps=1)
