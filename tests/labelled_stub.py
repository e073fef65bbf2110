"""Labelled images in memory, and a network small enough to train on them in a moment."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from unclouded.data.samplers import whole_batch
from unclouded.guides import RADAR
from unclouded.models.observation import Observation
from unclouded.training.land_cover import Data

CLASSES = ("bright", "green", "dry", "wet")


class Images(NamedTuple):
    observation: Observation
    labels: Tensor
    ids: list[str]


class Stub:
    """Images of 8 x 8 pixels; each label brightens one band."""

    classes = CLASSES

    def __init__(self, seed: int, size: int = 32, batch: int = 8, shown: int = len(CLASSES)) -> None:
        rng = torch.Generator().manual_seed(seed)
        self.labels = (torch.rand(size, len(CLASSES), generator=rng) < 0.4).float()
        self.labels[:, shown:] = 0
        self.labels[self.labels.sum(1) == 0, 0] = 1
        self.optical = 0.1 + 0.02 * torch.rand(size, 13, 8, 8, generator=rng)
        self.optical[:, [1, 3, 7, 11]] += 0.3 * self.labels[:, :, None, None]
        self.present = torch.ones(size, 13)
        self.radar = torch.full((size, 2, 8, 8), torch.nan)
        self.radar[0, :, :, :4] = -15.0  # ends within the image
        self.batch, self.position, self.shard = batch, 0, whole_batch

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def counts(self) -> Tensor:
        return self.labels.sum(0)

    def levels(self) -> tuple[str, ...]:
        return ("L2A",)

    def statistics(self) -> tuple[Tensor, Tensor]:
        return torch.full((13,), 0.2), torch.full((13,), 0.1)

    def shuffled(self):
        while True:
            rng = torch.Generator().manual_seed(self.position)
            self.position += 1
            yield self._images(torch.randperm(len(self), generator=rng)[: self.batch][self.shard(self.batch)])

    def in_order(self):
        for part in torch.arange(len(self)).split(self.batch):
            yield self._images(part)

    def state_dict(self):
        return {"position": self.position}

    def load_state_dict(self, state):
        self.position = state["position"]

    def _images(self, index: Tensor) -> Images:
        present = self.present[index]
        optical = self.optical[index] * present[:, :, None, None]
        guides = {RADAR.name: self.radar[index]}
        observation = Observation.of(optical, present, torch.ones(len(index)), guides=guides)
        return Images(observation, self.labels[index], [f"image {number}" for number in index.tolist()])


class Small(nn.Module):
    """Takes the place of ResNet-18."""

    width = 8

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Conv2d(13, 8, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(8)
        self.shift = nn.Linear(14, 8)

    def forward(self, image: Tensor, known: Tensor) -> Tensor:
        return torch.relu(self.norm(self.enter(image))).mean(dim=(2, 3)) + self.shift(known)


def data() -> Data:
    return Data(Stub(0), Stub(1), "c0ffee")
