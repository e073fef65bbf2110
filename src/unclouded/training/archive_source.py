"""Training batches from an archive: its two domains without pairs, and its clear patches under simulated skies."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from unclouded.bands import INDEX
from unclouded.data.archive import Archive
from unclouded.data.domains import DomainBatch, Sampling, UnpairedLoader, to_observations
from unclouded.data.observations import Augmentation
from unclouded.models.generator import Observation
from unclouded.training.simulated_clouds import Simulated, simulate_clouds


class ArchiveSource:
    """Draws batches from an archive, epoch after epoch over its cloudy patches.

    Attributes:
        rng: of the simulated skies; the patches' order is the loader's own.
    """

    def __init__(
        self, archive: Archive, sampling: Sampling, rng: torch.Generator, *, radar: bool = True, workers: int = 0
    ) -> None:
        """Draw from the training split of `archive`; without `radar`, every patch loses its own."""
        self.rng = rng
        self._loader = UnpairedLoader(archive, sampling, workers=workers)
        self._augmentation = Augmentation(drop_radar=0.5 if radar else 1.0)
        self._whole = Augmentation(drop_bands=0.0, drop_radar=0.5 if radar else 1.0)
        self._batches: Iterator[DomainBatch] = iter(())

    def __len__(self) -> int:
        """Return the batches of an epoch."""
        return len(self._loader)

    def simulated(self, size: int) -> Simulated:
        """Put `size` clear patches under simulated skies; `size` is at most a batch's."""
        _, y = to_observations(self._next(), "cpu", self._whole)
        # What B10 shows of clear ground is next to nothing: an L2A patch has it as soon as it is brought to L1C.
        present = y.present.clone()
        present[:, INDEX["B10"]] = 1
        clear = Observation(*(part[:size] for part in y._replace(present=present)))
        return simulate_clouds(clear, self.rng)

    def unpaired(self, size: int) -> tuple[Observation, Observation]:
        """Hand out `size` cloudy patches, and as many clear ones drawn at random; `size` is at most a batch's."""
        x, y = to_observations(self._next(), "cpu", self._augmentation)
        cut = slice(0, size)
        return Observation(*(part[cut] for part in x)), Observation(*(part[cut] for part in y))

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must keep."""
        return self._loader.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken, to the very sample.

        Raises:
            InputError: the state belongs to other data or another sampling.
        """
        self._loader.load_state_dict(state)
        self._batches = iter(())

    def _next(self) -> DomainBatch:
        for batch in self._batches:
            return batch
        self._batches = iter(self._loader)
        return next(self._batches)
