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
from unclouded.training.simulated_clouds import Simulated, drop_bands, simulate_clouds

SIDE = 192
"""Side in pixels of every training image: cut from larger ones; smaller ones are continued by their mirror."""

_TEXTURE = 96
"""Side in pixels from which an image shows texture; smaller ones lend their spectra to others."""
_LENT = 0.2
"""Shard of the clear images that take the spectrum of a smaller one."""

_ByPlace = dict[str, list[Patch]]


class CollectionSource:
    """Draws batches from real images; all that is random comes from `rng`, whose state is all that must be kept.

    `rng` gives each image of a batch a seed of its own, so that a process need not draw the others' images.
    """

    def __init__(
        self, collection: Collection, rng: torch.Generator, *, radar: bool = True, shard: Shard = whole_batch
    ) -> None:
        """Draw from a collection.

        Args:
            collection: of images.
            rng: of everything.
            radar: whether images show their radar.
            shard: of each batch, that this process draws.

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

    def simulated(self, size: int) -> Simulated:
        """Draw this process's share of `size` clear images, and simulate clouds over them."""
        made = []
        for rng in self._generators(size):
            patch = self._draw("L1C" if torch.rand((), generator=rng) < 0.5 else "L2A", rng)
            if self.spectra and torch.rand((), generator=rng) < _LENT:
                patch = recolour(patch, _draw_place(self.spectra, rng), rng)
            made.append(simulate_clouds(self._stack([patch]), rng, self.overcast, self.cutouts))
        return Simulated.cat(made)

    def unpaired(self, size: int) -> tuple[Observation, Observation]:
        """Draw this process's share of `size` real cloudy images, with real clear ones of the same levels and bands.

        Raises:
            InputError: the collection holds no cloudy image.
        """
        if not self.cloudy:
            raise InputError("The collection holds no cloudy image; name at least one under `cloudy`.")
        pairs = [self._pair(rng) for rng in self._generators(size)]
        x, y = (Observation.cat(side) for side in zip(*pairs, strict=True))
        return x, y

    def state_dict(self) -> dict[str, Any]:
        """Everything random comes from the run's generator, so there is nothing more to keep."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` gave."""

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
    """Draw a place, the likelier the more it shows, but by the root, so that none rules; then an image of it."""
    shown = [sum(patch.optical[0].size for patch in patches) ** 0.5 for patches in places.values()]
    patches = list(places.values())[int(torch.multinomial(torch.tensor(shown), 1, generator=rng))]
    return patches[int(torch.randint(len(patches), (), generator=rng))]


def recolour(patch: Patch, like: Patch, rng: torch.Generator) -> Patch:
    """Give an image the spectrum of another, brought to its level."""
    level, target = (torch.tensor([float(bands.LEVELS.index(one.level))]) for one in (like, patch))
    mean = torch.from_numpy(like.optical).mean(dim=(1, 2), keepdim=True)[None]
    spectrum = change_level(mean, level, target, rng)[0, :, 0, 0]
    known = torch.from_numpy(like.present * patch.present)
    optical = take_spectrum(torch.from_numpy(patch.optical), path_reflectance(target, rng)[0], spectrum, known)
    return replace(patch, optical=optical.numpy() * patch.present[:, None, None])


def _cut(patch: Patch, rng: torch.Generator) -> Patch:
    """Take a random square in a random orientation, of an image that is continued where it is too small."""
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
    """(13,) 1 for each band that is there, or that shows the air alone over clear ground and so is made up: B10."""
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
