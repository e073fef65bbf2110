"""Batches of clear images under simulated skies, with the truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from unclouded import bands
from unclouded.data.clouds import simulate
from unclouded.data.cutouts import CutOut
from unclouded.data.imperfect_masks import draw_cover
from unclouded.data.observations import drop_guides
from unclouded.data.seasons import change_level, change_season, path_reflectance
from unclouded.guides import GUIDES
from unclouded.models.observation import Observation


class SimulatedBatch(NamedTuple):
    """A batch of simulated observations with the truth.

    Attributes:
        observation: (B) cloudy images.
        truth: (B, 13, H, W) reflectance of the clear images.
        cloud_shadow_fraction: (B, 1, H, W) see `data.clouds.Sky`.
    """

    observation: Observation
    truth: Tensor
    cloud_shadow_fraction: Tensor

    @classmethod
    def cat(cls, batches: Iterable[SimulatedBatch]) -> SimulatedBatch:
        """Concatenate batches."""
        observations, truths, fractions = zip(*batches, strict=True)
        return cls(Observation.cat(observations), torch.cat(truths), torch.cat(fractions))

    def each(self) -> Iterator[SimulatedBatch]:
        """Iterate over batches of one image."""
        for one in (slice(number, number + 1) for number in range(len(self.truth))):
            yield SimulatedBatch(self.observation.images(one), self.truth[one], self.cloud_shadow_fraction[one])

    def to(self, device: torch.device | str) -> SimulatedBatch:
        """The same on a device."""
        return SimulatedBatch(self.observation.to(device), self.truth.to(device), self.cloud_shadow_fraction.to(device))


def simulate_clouds(
    clear: Observation,
    rng: torch.Generator,
    overcast: Tensor | None = None,
    cutouts: Sequence[CutOut] = (),
) -> SimulatedBatch:
    """Recolour clear images, convert them to a random level, simulate skies over them, and drop bands and guides.

    Args:
        clear: images (B, 13, H, W).
        rng: random generator.
        overcast: (N, 13, H, W) images covered by cloud entirely, whose texture is used for simulated clouds.
        cutouts: real clouds to composite over the ground.
    """
    size = len(clear.level)
    target = (torch.rand(size, generator=rng) < 0.5).float()
    image = change_level(clear.optical, clear.level, target, rng)
    path = path_reflectance(target, rng)
    truth = change_season(image, path, rng)
    sky = simulate(truth, path, rng, overcast, cutouts)
    kept = clear.present * torch.stack([drop_bands(bool(is_l2a), rng) for is_l2a in target])
    # An image of few bands may have none of the kept ones.
    present = torch.where(kept.any(1, keepdim=True), kept, clear.present)
    guided = drop_guides(clear, (torch.rand(size, len(GUIDES), generator=rng) < 0.5).float())
    valid = clear.valid * _no_data(size, clear.optical.shape[2], clear.optical.shape[3], rng)
    seen = present[:, :, None, None]
    observation = Observation(
        optical=sky.cloudy * seen * valid,
        valid=valid,
        guides=guided.guides,
        guide_valid=guided.guide_valid,
        present=present,
        level=target,
        cover=draw_cover(sky, rng),
    )
    return SimulatedBatch(observation, truth * seen, sky.cloud_shadow_fraction)


def drop_bands(is_l2a: bool, rng: torch.Generator) -> Tensor:
    """Draw the bands (13,) of an image: all of its level, the ten of 10 and 20 m, the four of 10 m, or a random set."""
    kind = float(torch.rand((), generator=rng))
    if kind < 0.55:
        names = bands.L2A if is_l2a else bands.L1C
    elif kind < 0.65:
        names = bands.L2A
    elif kind < 0.80:
        names = bands.TEN
    elif kind < 0.92:
        names = bands.TEN_METRES
    else:
        keep = torch.rand(len(bands.NAMES), generator=rng) < 0.6
        names = (
            tuple(n for n, k in zip(bands.NAMES, keep, strict=True) if k and (n != "B10" or not is_l2a))
            or bands.TEN_METRES
        )
    present = torch.zeros(len(bands.NAMES))
    present[[bands.INDEX[name] for name in names]] = 1
    return present


def _no_data(size: int, height: int, width: int, rng: torch.Generator) -> Tensor:
    """Validity (size, 1, H, W): a sixth of the images end at a slanted edge, as at the border of a swath."""
    row, column = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    angle = 2 * torch.pi * torch.rand(size, 1, 1, generator=rng)
    distance = (torch.rand(size, 1, 1, generator=rng) - 0.2) * max(height, width) / 2
    inside = (row - height / 2) * torch.sin(angle) + (column - width / 2) * torch.cos(angle) < distance.clamp(min=-20)
    whole = torch.rand(size, 1, 1, generator=rng) > 1 / 6
    return (inside | whole).float()[:, None]
