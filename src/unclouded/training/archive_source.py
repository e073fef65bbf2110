"""Training batches from an archive: its two unpaired domains, and its clear patches under simulated clouds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from unclouded.bands import INDEX
from unclouded.data.archive import Archive
from unclouded.data.domains import ClearLoader, DomainBatch, Sampling, UnpairedLoader, to_observations
from unclouded.data.loading import EpochLoader, SeededBatch, augmented
from unclouded.data.observations import Augmentation
from unclouded.data.samplers import Shard, whole_batch
from unclouded.models.observation import Observation
from unclouded.training.simulated_clouds import SimulatedBatch, simulate_clouds

T = TypeVar("T")


class ArchiveSource:
    """Draws batches from the training split of an archive, each kind in epochs of its own.

    An epoch of simulated clouds holds every clear patch once, one of the two domains every cloudy patch once, each with
    a clear one drawn at random.
    """

    def __init__(
        self,
        archive: Archive,
        *,
        simulated: Sampling | None = None,
        unpaired: Sampling | None = None,
        radar: bool = True,
        crop: int | None = None,
        shard: Shard = whole_batch,
        workers: int = 0,
    ) -> None:
        """Draw from `archive`.

        Args:
            archive: open archive.
            simulated: sampling of clear patches for simulated clouds; without it `simulated` cannot be called.
            unpaired: sampling of the two domains; without it `unpaired` cannot be called.
            radar: whether patches have their radar, half of the time.
            crop: side in pixels of random square crops; whole patches by default.
            shard: which patches of each batch this process reads.
            workers: processes that prefetch; 0 reads in this one.

        Raises:
            InputError: the archive lacks patches of these kinds.
        """
        dropped = 0.5 if radar else 1.0
        self._augmentation = Augmentation(drop_guides=dropped)
        self._all_bands = Augmentation(drop_bands=0.0, drop_guides=dropped)
        self._crop, self._shard = crop, shard
        self._clear: _Endless[SeededBatch] | None = None
        self._pairs: _Endless[DomainBatch] | None = None
        if simulated is not None:
            self._clear = _Endless(ClearLoader(archive, simulated, shard=shard, workers=workers))
        if unpaired is not None:
            self._pairs = _Endless(UnpairedLoader(archive, unpaired, shard=shard, workers=workers))

    def simulated(self, size: int) -> SimulatedBatch:
        """The next clear patches under simulated clouds: this process's shard of a batch of `size`."""
        if self._clear is None:
            raise ValueError("no sampling for simulated clouds was given")
        patches, seeds = self._clear.next(self._shard(size))
        y, generators = augmented(patches, seeds, "cpu", self._all_bands, self._crop)
        # B10 of clear ground is close to 0 in L1C, so an L2A patch that is converted to L1C has it.
        present = y.present.clone()
        present[:, INDEX["B10"]] = 1
        y = y._replace(present=present)
        return SimulatedBatch.cat(
            simulate_clouds(y.images(slice(place, place + 1)), rng) for place, rng in enumerate(generators)
        )

    def unpaired(self, size: int) -> tuple[Observation, Observation]:
        """The next cloudy patches with clear ones: this process's shard of a batch of `size`."""
        if self._pairs is None:
            raise ValueError("no sampling for the two domains was given")
        return to_observations(self._pairs.next(self._shard(size)), "cpu", self._augmentation, self._crop)

    def state_dict(self) -> dict[str, Any]:
        """The positions of both kinds, for a checkpoint."""
        return {name: stream.loader.sampler.state_dict() for name, stream in self._streams().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a state of `state_dict`, at the same sample.

        Raises:
            InputError: the state is of other data or another sampling.
        """
        for name, stream in self._streams().items():
            stream.loader.sampler.load_state_dict(state[name])
            stream.restart()

    def _streams(self) -> dict[str, _Endless[Any]]:
        streams = {"simulated": self._clear, "unpaired": self._pairs}
        return {name: stream for name, stream in streams.items() if stream is not None}


class _Endless(Generic[T]):
    """Iterates over a loader's batches, epoch after epoch."""

    def __init__(self, loader: EpochLoader[T]) -> None:
        self.loader = loader
        self._batches: Iterator[T] = iter(())
        self._shard: slice | None = None

    def next(self, shard: slice) -> T:
        """Give the next batch, of which `share` is read."""
        if shard != self._shard:
            # Prefetched batches are of another shard.
            self._shard = shard
            self.restart()
        for batch in self._batches:
            return batch
        self._batches = iter(self.loader)
        return next(self._batches)

    def restart(self) -> None:
        """Start again at the sampler's position."""
        self._batches = iter(())
