"""Training batches from an archive: its two domains without pairs, and its clear patches under simulated clouds."""

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
from unclouded.training.simulated_clouds import Simulated, simulate_clouds

T = TypeVar("T")


class ArchiveSource:
    """Draws batches from the training split of an archive: each kind in epochs of its own.

    An epoch of simulated clouds shows every clear patch once; one of the two domains every cloudy patch once, each with
    a clear one drawn at random beside it.
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
            simulated: how clear patches are drawn that clouds are simulated over; unless given, none can be.
            unpaired: how the two domains are drawn; unless given, they cannot be.
            radar: whether patches show their radar, half of the time.
            crop: side in pixels of the squares that are taken of the patches; all of them unless given.
            shard: of each batch, that this process reads.
            workers: processes that read ahead; 0 reads in this one.

        Raises:
            InputError: the archive lacks the patches that are to be drawn.
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

    def simulated(self, size: int) -> Simulated:
        """Put the next clear patches under simulated clouds: this process's share of `size`, which is a batch."""
        if self._clear is None:
            raise ValueError("no sampling for simulated clouds was given")
        patches, seeds = self._clear.next(self._shard(size))
        y, generators = augmented(patches, seeds, "cpu", self._all_bands, self._crop)
        # What B10 shows of clear ground is next to nothing: an L2A patch has it as soon as it is brought to L1C.
        present = y.present.clone()
        present[:, INDEX["B10"]] = 1
        y = y._replace(present=present)
        return Simulated.cat(
            simulate_clouds(y.images(slice(place, place + 1)), rng) for place, rng in enumerate(generators)
        )

    def unpaired(self, size: int) -> tuple[Observation, Observation]:
        """Hand out the next cloudy patches with clear ones: this process's share of `size`, which is a batch."""
        if self._pairs is None:
            raise ValueError("no sampling for the two domains was given")
        return to_observations(self._pairs.next(self._shard(size)), "cpu", self._augmentation, self._crop)

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must keep; plain numbers."""
        return {name: stream.loader.sampler.state_dict() for name, stream in self._streams().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken, to the very sample.

        Raises:
            InputError: the state belongs to other data or another sampling.
        """
        for name, stream in self._streams().items():
            stream.loader.sampler.load_state_dict(state[name])
            stream.restart()

    def _streams(self) -> dict[str, _Endless[Any]]:
        streams = {"simulated": self._clear, "unpaired": self._pairs}
        return {name: stream for name, stream in streams.items() if stream is not None}


class _Endless(Generic[T]):
    """The batches of a loader, epoch after epoch."""

    def __init__(self, loader: EpochLoader[T]) -> None:
        self.loader = loader
        self._batches: Iterator[T] = iter(())
        self._shard: slice | None = None

    def next(self, shard: slice) -> T:
        """Give the next batch, of which `share` is read."""
        if shard != self._shard:
            # What was read ahead is another share.
            self._shard = shard
            self.restart()
        for batch in self._batches:
            return batch
        self._batches = iter(self.loader)
        return next(self._batches)

    def restart(self) -> None:
        """Begin at the sampler's position."""
        self._batches = iter(())
