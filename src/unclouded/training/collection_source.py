"""Training batches from a folder of real images: clear ones under simulated skies, and the two domains."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from unclouded import bands
from unclouded.data.collection import Collection
from unclouded.data.cutouts import cut_out
from unclouded.data.patch import Patch
from unclouded.data.samplers import Shard, whole_batch
from unclouded.data.seasons import change_level, path_reflectance, take_spectrum
from unclouded.errors import InputError
from unclouded.guides import RADAR
from unclouded.models.observation import Observation
from unclouded.training.simulated_clouds import SimulatedBatch, drop_bands, simulate_clouds

SIDE = 192
"""Side in pixels of training images: random crops of larger ones; smaller ones are padded by reflection."""

_TEXTURE = 96
"""Least side in pixels of images for training; of smaller ones the spectra alone are used."""
_RECOLOURED = 0.2
"""Share of the clear images that take the spectrum of a smaller one."""

_ByPlace = dict[str, list[Patch]]


class CollectionSource:
    """Draws batches from real images; the state of `rng` is its only state.

    `rng` gives each image of a batch a seed of its own, so that a process need not draw the images of other processes.
    """

    def __init__(
        self, collection: Collection, rng: torch.Generator, *, radar: bool = True, shard: Shard = whole_batch
    ) -> None:
        """Draw from a collection.

        Args:
            collection: of images.
            rng: of everything.
            radar: whether images have their radar.
            shard: which images of each batch this process draws.

        Raises:
            InputError: the collection holds no clear image.
        """
        self.rng, self._radar, self._shard = rng, radar, shard
        textured = [patch for patch in collection.clear if min(patch.optical.shape[1:]) >= _TEXTURE]
        self.clear = {
            level: _by_place(patch for patch in textured if patch.level == level)
            for level in sorted({patch.level for patch in textured})
        }
        if not self.clear:
            raise InputError("The collection holds no clear image; name at least one under `clear`.")
        self.spectra = _by_place(patch for patch in collection.clear if min(patch.optical.shape[1:]) < _TEXTURE)
        self.cloudy = _by_place(collection.cloudy)
        overcast = [torch.from_numpy(_large_enough(patch).optical) for patch in collection.overcast]
        self.overcast = torch.stack(overcast) if overcast else None
        self.cutouts = [cut_out(patch) for patch in collection.broken]

    def simulated(self, size: int) -> SimulatedBatch:
        """Draw this process's shard of `size` clear images, and simulate clouds over them."""
        images = []
        for rng in self._generators(size):
            patch = self._draw("L1C" if torch.rand((), generator=rng) < 0.5 else "L2A", rng)
            if self.spectra and torch.rand((), generator=rng) < _RECOLOURED:
                patch = recolour(patch, _draw_place(self.spectra, rng), rng)
            images.append(simulate_clouds(self._stack([patch]), rng, self.overcast, self.cutouts))
        return SimulatedBatch.cat(images)

    def unpaired(self, size: int) -> tuple[Observation, Observation]:
        """Draw this process's shard of `size` real cloudy images, with real clear ones of the same levels and bands.

        Raises:
            InputError: the collection holds no cloudy image.
        """
        if not self.cloudy:
            raise InputError("The collection holds no cloudy image; name at least one under `cloudy`.")
        pairs = [self._pair(rng) for rng in self._generators(size)]
        x, y = (Observation.cat(side) for side in zip(*pairs, strict=True))
        return x, y

    def state_dict(self) -> dict[str, Any]:
        """Empty, since the state is that of the run's random generator."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Do nothing, see `state_dict`."""

    def _generators(self, size: int) -> list[torch.Generator]:
        seeds = torch.randint(2**62, (size,), generator=self.rng)[self._shard(size)]
        return [torch.Generator().manual_seed(seed) for seed in seeds.tolist()]

    def _pair(self, rng: torch.Generator) -> tuple[Observation, Observation]:
        cloudy = _cut(_draw_place(self.cloudy, rng), rng)
        clear = self._draw(cloudy.level, rng)
        x, y = self._stack([cloudy]), self._stack([clear])
        present = drop_bands(cloudy.level == "L2A", rng) * x.present * y.present
        y = y._replace(optical=change_level(y.optical, y.level, x.level, rng), level=x.level)
        x, y = (side._replace(present=present, optical=side.optical * present[:, :, None, None]) for side in (x, y))
        return x, y

    def _draw(self, level: str, rng: torch.Generator) -> Patch:
        pool = self.clear.get(level) or next(iter(self.clear.values()))
        return _cut(_draw_place(pool, rng), rng)

    def _stack(self, patches: list[Patch]) -> Observation:
        empty = np.full((len(RADAR.channels), SIDE, SIDE), np.nan, np.float32)
        radar = [p.radar if self._radar else None for p in patches]
        return Observation.of(
            torch.stack([torch.from_numpy(patch.optical) for patch in patches]),
            torch.stack([_present(patch) for patch in patches]),
            torch.tensor([float(bands.LEVELS.index(patch.level)) for patch in patches]),
            guides={RADAR.name: torch.stack([torch.from_numpy(empty if image is None else image) for image in radar])},
        )


def _by_place(patches: Iterable[Patch]) -> _ByPlace:
    places: _ByPlace = {}
    for patch in patches:
        places.setdefault(patch.place, []).append(patch)
    return places


def _draw_place(places: _ByPlace, rng: torch.Generator) -> Patch:
    """Draw a place with a probability proportional to the square root of its pixels, then an image of it."""
    weights = [sum(patch.optical[0].size for patch in patches) ** 0.5 for patches in places.values()]
    patches = list(places.values())[int(torch.multinomial(torch.tensor(weights), 1, generator=rng))]
    return patches[int(torch.randint(len(patches), (), generator=rng))]


def recolour(patch: Patch, like: Patch, rng: torch.Generator) -> Patch:
    """Give an image the mean spectrum of another, converted to its level."""
    level, target = (torch.tensor([float(bands.LEVELS.index(one.level))]) for one in (like, patch))
    mean = torch.from_numpy(like.optical).mean(dim=(1, 2), keepdim=True)[None]
    spectrum = change_level(mean, level, target, rng)[0, :, 0, 0]
    known = torch.from_numpy(like.present * patch.present)
    optical = take_spectrum(torch.from_numpy(patch.optical), path_reflectance(target, rng)[0], spectrum, known)
    return replace(patch, optical=optical.numpy() * patch.present[:, None, None])


def _cut(patch: Patch, rng: torch.Generator) -> Patch:
    """Random square crop in a random orientation, of an image that is padded if it is too small."""
    patch = _large_enough(patch)
    quarter, mirror = torch.randint(4, (2,), generator=rng).tolist()
    height, width = patch.optical.shape[-2:]
    row = int(torch.randint(height - SIDE + 1, (), generator=rng))
    column = int(torch.randint(width - SIDE + 1, (), generator=rng))

    def cut(image: np.ndarray) -> np.ndarray:
        image = np.rot90(image[:, row : row + SIDE, column : column + SIDE], quarter, (1, 2))
        return image[..., ::-1].copy() if mirror % 2 else image.copy()

    radar = None if patch.radar is None else cut(patch.radar)
    return Patch(patch.name, patch.place, patch.level, cut(patch.optical), patch.bands, radar)


def _present(patch: Patch) -> torch.Tensor:
    """(13,) 1 for each present band, and for B10, which is simulated: over clear ground it shows the air alone."""
    present = torch.from_numpy(patch.present)
    present[bands.INDEX["B10"]] = 1
    return present


def _large_enough(patch: Patch) -> Patch:
    if min(patch.optical.shape[1:]) >= SIDE:
        return patch

    def extend(image: np.ndarray) -> np.ndarray:
        height, width = image.shape[-2:]
        margins = ((0, 0), (0, max(0, SIDE - height)), (0, max(0, SIDE - width)))
        return np.ascontiguousarray(np.pad(image, margins, mode="symmetric"))

    radar = None if patch.radar is None else extend(patch.radar)
    return Patch(patch.name, patch.place, patch.level, extend(patch.optical), patch.bands, radar)
