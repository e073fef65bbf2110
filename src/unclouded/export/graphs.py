"""Networks in the form in which they are exported to ONNX: one image of given bands in, one array out."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from unclouded.bands import INDEX, LEVELS, NAMES
from unclouded.models.context_generator import ContextGenerator
from unclouded.models.generator import Generator, SceneContext, compose
from unclouded.models.land_cover import LandCover
from unclouded.models.observation import CELL, Observation
from unclouded.sizes import GeneratorSettings

SMALLEST, LARGEST = 64, 2048
"""Smallest and largest side, in pixels, of images for a graph of any size."""

_HALVINGS = (LARGEST // CELL - 1).bit_length()


class Graph(nn.Module):
    """A network for an ONNX file: one image in, one array out."""

    output = ""
    """Name of the output."""

    step = 1
    """The sides of images are multiples of it."""


class ClearingGraph(Graph):
    """Clears an image that is its own scene, with the latent 0."""

    output = "cleared"
    step = 4 * CELL  # since the context network halves the grid of cells twice

    def __init__(self, generator: Generator, bands: Sequence[str], level: str, threshold: float) -> None:
        """Wrap `generator` for images of `bands` at `level`; where opacity is under `threshold`, they are kept."""
        super().__init__()
        self.generator = _of_any_size(generator) if isinstance(generator, ContextGenerator) else generator
        self.input = _Input(bands, level)
        self.threshold = threshold
        self.present = [INDEX[band] for band in bands]

    def forward(self, image: Tensor) -> Tensor:
        """Clear images (B, C, H, W) in reflectance, 0 in all bands where there is no data.

        Returns:
            (B, C + 1, H, W): the cleared bands, then the opacity, 0 where there is no data. In one array, since
            programs that run ONNX networks on images accept one output.
        """
        x = self.input(image)
        translation = self.generator(x, image.new_zeros(1, self.generator.settings.latent).expand(image.shape[0], -1))
        replaced = (translation.opacity >= self.threshold) & (x.valid > 0)
        cleared = torch.where(replaced, compose(x.optical, translation)[:, self.present], image)
        return torch.cat([cleared, translation.opacity * x.valid], dim=1)


class LandCoverGraph(Graph):
    """Predicts the probability of each land-cover class."""

    output = "probabilities"

    def __init__(self, classifier: LandCover, bands: Sequence[str], level: str) -> None:
        """Wrap `classifier` for images of `bands` at `level`, "L1C" or "L2A"."""
        super().__init__()
        self.classifier = classifier
        self.input = _Input(bands, level)

    def forward(self, image: Tensor) -> Tensor:
        """Predict the probabilities (B, K) of images (B, C, H, W) in reflectance."""
        probabilities: Tensor = self.classifier.probabilities(self.classifier(self.input(image)))
        return probabilities


class _Input(nn.Module):
    """Arranges the bands of an image among those of a network."""

    def __init__(self, bands: Sequence[str], level: str) -> None:
        super().__init__()
        self.places = [list(bands).index(name) if name in bands else None for name in NAMES]
        self.level = float(LEVELS.index(level))

    def forward(self, image: Tensor) -> Observation:
        absent = torch.zeros_like(image[:, :1])
        channels = [absent if place is None else image[:, place : place + 1] for place in self.places]
        present = image.new_tensor([[float(place is not None) for place in self.places]]).expand(image.shape[0], -1)
        valid = (image.abs().amax(1, keepdim=True) > 0).to(image.dtype)
        level = image.new_full((1,), self.level).expand(image.shape[0])
        return Observation.of(torch.cat(channels, dim=1), present, level, valid)


def _of_any_size(generator: ContextGenerator) -> ContextGenerator:
    assert isinstance(generator.settings, GeneratorSettings)
    made = _AnySize(generator.settings, generator.inference)
    made.load_state_dict(generator.state_dict())
    return made.eval().requires_grad_(False)


class _AnySize(ContextGenerator):
    """The same network with a ground pyramid of constant size.

    Its grids are those of the largest image, padded with the edge of the actual one. So the graph has few dynamic
    sizes, which take most of the time of the export.
    """

    def spread(self, statistics: Tensor, scene: SceneContext) -> Tensor:
        """See `ContextGenerator.spread`; all bands at once, which makes fewer nodes."""
        return self._spread_at_once(statistics, scene)

    def _ground(self, cells: Tensor, weight: Tensor, prior: Tensor, start: int) -> Tensor:
        """See `unclouded.models.blocks.spread_ground`; levels above the one with a single cell hold the prior."""
        height, width = cells.shape[-2:]
        outside = (0, LARGEST // CELL - width, 0, LARGEST // CELL - height)
        prior = prior.view(1, -1, 1, 1)
        levels = [F.pad(torch.cat([cells * weight, weight], dim=1), outside)]
        insides = [F.pad(torch.ones_like(weight[:1]), outside)]
        for _ in range(_HALVINGS):
            levels.append(F.avg_pool2d(levels[-1], 2))
            insides.append(F.max_pool2d(insides[-1], 2))
        counts = [inside.sum() for inside in insides]
        ground = torch.zeros_like(levels[-1][:, :-1]) + prior
        for index in range(_HALVINGS, -1, -1):
            if index < _HALVINGS:
                ground = F.interpolate(ground, scale_factor=2.0, mode="bilinear", align_corners=False)
            if index >= start:
                total, mass = levels[index][:, :-1], levels[index][:, -1:]
                slack = torch.where(counts[index] > 1, 0.1, 1e-3)
                answer = (total + slack * ground) / (mass + slack)
                beyond = counts[index - 1] <= 1 if index else counts[0] < 0
                ground = torch.where(beyond, prior.expand_as(answer), answer)
            ground = _repeat_edges(ground, insides[index])
        return ground[..., :height, :width]


def _repeat_edges(ground: Tensor, inside: Tensor) -> Tensor:
    """Replicate the edges of the part of `ground` that is `inside` (1, 1, S, S)."""
    for axis, line in ((-1, inside[0, 0, 0]), (-2, inside[0, 0, :, 0])):
        last = line.sum().long() - 1
        ground = ground.index_select(axis, torch.minimum(torch.arange(len(line)), last))
    return ground
