"""Training batches: random clear ground under random skies, with bands and guides dropped, and real cloudy images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from unclouded import bands
from unclouded.data.clouds import simulate
from unclouded.data.collection import Collection
from unclouded.data.cutouts import cut_out
from unclouded.data.patch import Patch
from unclouded.data.seasons import change_level, change_season, path_reflectance
from unclouded.errors import InputError
from unclouded.models.generator import Observation

SIDE = 192
"""Side in pixels of every training image: cut from larger ones; smaller ones are continued by their mirror."""

_FOUR = ("B02", "B03", "B04", "B08")


class Simulated(NamedTuple):
    """A batch whose truth is known: observation, clear image (B, 13, H, W) and hidden share (B, 1, H, W)."""

    observation: Observation
    truth: Tensor
    hidden: Tensor


class Batches:
    """Draws batches from a collection; everything random comes from `rng`, whose state is all there is to save."""

    def __init__(self, collection: Collection, rng: torch.Generator) -> None:
        self.rng = rng
        self.clear = {
            level: [_large_enough(patch) for patch in collection.clear if patch.level == level]
            for level in {patch.level for patch in collection.clear}
        }
        if not self.clear:
            raise InputError("The collection holds no clear image; name at least one under `clear`.")
        self.cloudy = [_large_enough(patch) for patch in collection.cloudy]
        overcast = [torch.from_numpy(_large_enough(patch).optical) for patch in collection.overcast]
        self.overcast = torch.stack(overcast) if overcast else None
        self.cutouts = [cut_out(patch) for patch in collection.broken]

    def simulated(self, size: int) -> Simulated:
        """Draw `size` clear images, recolour them, put them under simulated skies and drop bands and guides."""
        patches = [self._draw("L1C" if torch.rand((), generator=self.rng) < 0.5 else "L2A") for _ in range(size)]
        image, guides, guided, level = self._stack(patches)
        target = (torch.rand(size, generator=self.rng) < 0.5).float()
        image = change_level(image, level, target, self.rng)
        path = path_reflectance(target, self.rng)
        truth = change_season(image, path, self.rng)
        sky = simulate(truth, path, self.rng, self.overcast, self.cutouts)
        present = torch.stack([self._drop_bands(bool(is_l2a)) for is_l2a in target])
        guided = guided * (torch.rand(size, 1, generator=self.rng) < 0.5)
        valid = self._no_data(size)
        seen = present[:, :, None, None]
        observation = Observation(
            optical=sky.cloudy * seen * valid,
            valid=valid,
            guides=guides * guided[:, :, None, None] * valid,
            present=present,
            guided=guided,
            level=target,
        )
        return Simulated(observation, truth * seen, sky.hidden)

    def unpaired(self, size: int) -> tuple[Observation, Tensor]:
        """Draw `size` real cloudy images, and as many real clear ones (B, 13, H, W) of the same levels and bands."""
        cloudy = [self.cloudy[int(torch.randint(len(self.cloudy), (), generator=self.rng))] for _ in range(size)]
        clear = [self._draw(patch.level) for patch in cloudy]
        cloudy = [self._cut(patch) for patch in cloudy]
        image, guides, guided, level = self._stack(cloudy)
        present = torch.stack([self._drop_bands(bool(is_l2a)) for is_l2a in level])
        seen = present[:, :, None, None]
        x = Observation.of(image * seen, present, level, guides=guides * guided[:, :, None, None], guided=guided)
        truth, _, _, found = self._stack(clear)
        return x, change_level(truth, found, level, self.rng) * seen

    def _draw(self, level: str) -> Patch:
        pool = self.clear.get(level) or next(iter(self.clear.values()))
        return self._cut(pool[int(torch.randint(len(pool), (), generator=self.rng))])

    def _cut(self, patch: Patch) -> Patch:
        quarter, mirror = torch.randint(4, (2,), generator=self.rng).tolist()
        height, width = patch.optical.shape[-2:]
        row = int(torch.randint(height - SIDE + 1, (), generator=self.rng))
        column = int(torch.randint(width - SIDE + 1, (), generator=self.rng))

        def cut(image: np.ndarray) -> np.ndarray:
            image = np.rot90(image[:, row : row + SIDE, column : column + SIDE], quarter, (1, 2))
            return image[..., ::-1].copy() if mirror % 2 else image.copy()

        radar = None if patch.radar is None else cut(patch.radar)
        return Patch(patch.name, patch.place, patch.level, cut(patch.optical), patch.bands, radar)

    def _stack(self, patches: list[Patch]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        image = torch.stack([torch.from_numpy(patch.optical) for patch in patches])
        empty = np.zeros((2, SIDE, SIDE), np.float32)
        guides = torch.stack([torch.from_numpy(empty if p.radar is None else p.radar) for p in patches])
        guided = torch.tensor([[float(patch.radar is not None)] * 2 for patch in patches])
        level = torch.tensor([float(patch.level == "L2A") for patch in patches])
        return image, guides, guided, level

    def _drop_bands(self, is_l2a: bool) -> Tensor:
        """Which bands an image keeps: all of its level, the ten of 10 and 20 m, the four of 10 m, or any."""
        kind = float(torch.rand((), generator=self.rng))
        if kind < 0.55:
            names = bands.L2A if is_l2a else bands.L1C
        elif kind < 0.65:
            names = bands.L2A
        elif kind < 0.80:
            names = bands.TEN
        elif kind < 0.92:
            names = _FOUR
        else:
            keep = torch.rand(len(bands.NAMES), generator=self.rng) < 0.6
            names = (
                tuple(n for n, k in zip(bands.NAMES, keep, strict=True) if k and (n != "B10" or not is_l2a)) or _FOUR
            )
        present = torch.zeros(len(bands.NAMES))
        present[[bands.INDEX[name] for name in names]] = 1
        return present

    def _no_data(self, size: int) -> Tensor:
        """(size, 1, SIDE, SIDE): a sixth of the images end at a slanted edge, as at the border of a swath."""
        row, column = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
        angle = 2 * torch.pi * torch.rand(size, 1, 1, generator=self.rng)
        distance = (torch.rand(size, 1, 1, generator=self.rng) - 0.2) * SIDE / 2
        inside = (row - SIDE / 2) * torch.sin(angle) + (column - SIDE / 2) * torch.cos(angle) < distance.clamp(min=-20)
        whole = torch.rand(size, 1, 1, generator=self.rng) > 1 / 6
        return (inside | whole).float()[:, None]


def _large_enough(patch: Patch) -> Patch:
    def extend(image: np.ndarray) -> np.ndarray:
        height, width = image.shape[-2:]
        margins = ((0, 0), (0, max(0, SIDE - height)), (0, max(0, SIDE - width)))
        return np.ascontiguousarray(np.pad(image, margins, mode="symmetric"))

    radar = None if patch.radar is None else extend(patch.radar)
    return Patch(patch.name, patch.place, patch.level, extend(patch.optical), patch.bands, radar)
