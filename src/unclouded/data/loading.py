"""Batches prefetched by worker processes, each patch augmented by its own seed, whichever process reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from unclouded.data.batch import Batch, PatchReader
from unclouded.data.observations import Augmentation, to_observation
from unclouded.data.samplers import Draw, Drawn, EpochSampler, Seeds, Shard
from unclouded.errors import InputError, UncloudedError
from unclouded.models.observation import Observation

D = TypeVar("D")
T = TypeVar("T")
DrawnT = TypeVar("DrawnT", bound=Drawn)


class SeededBatch(NamedTuple):
    """Patches of one domain, and the seeds (B,) of their augmentation."""

    patches: Batch
    seeds: Seeds


def read_seeded(reader: PatchReader, draw: Draw) -> SeededBatch:
    """Read the patches drawn of one domain."""
    return SeededBatch(reader.read(draw.rows), draw.seeds)


class Prefetcher(Generic[D, T]):
    """Iterates over what is read for each draw, prefetched by worker processes if there are any."""

    def __init__(self, read: Callable[[D], T], draws: Iterable[D], workers: int) -> None:
        """Read each of `draws` by `read`, which must be picklable if there are `workers`."""
        self._loader = DataLoader(
            _ReadDataset(read),
            sampler=draws,
            batch_size=None,
            num_workers=workers,
            collate_fn=_identity,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def __iter__(self) -> Iterator[T]:
        """Hand out what was read, in the order of the draws."""
        for read in self._loader:
            if isinstance(read, UncloudedError):
                raise read
            yield read


class EpochLoader(Generic[T]):
    """Iterates over the rest of an epoch; iterate again for the next one.

    Attributes:
        sampler: holds the position in the epoch.
    """

    def __init__(
        self,
        sampler: EpochSampler,
        draws: Callable[[], Iterator[DrawnT]],
        read: Callable[[DrawnT], T],
        shard: Shard,
        workers: int,
    ) -> None:
        """Read the `shard` of each draw of the rest of the sampler's epoch."""
        self.sampler = sampler
        self._batches: Prefetcher[DrawnT, T] = Prefetcher(read, _ShardedDraws(draws, shard, sampler.batch), workers)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self.sampler)

    def __iter__(self) -> Iterator[T]:
        """Hand out the rest of the epoch; a state saved while a batch is in use resumes with the next."""
        for batch in self._batches:
            # Since workers prefetch, the position counts what was handed out, not what was drawn.
            self.sampler.advance()
            yield batch


def augmented(
    batch: Batch,
    seeds: Seeds,
    device: torch.device | str,
    augmentation: Augmentation | None = None,
    crop: int | None = None,
) -> tuple[Observation, list[torch.Generator]]:
    """Bring a batch to the device, each patch augmented and cropped by a random generator of its own.

    Args:
        batch: B patches.
        seeds: (B,) of the generators.
        device: of the observation.
        augmentation: of the patches; none by default.
        crop: side in pixels of a random square crop of each patch; none by default.

    Returns:
        The observation, and the generators, for further random draws.

    Raises:
        InputError: the patches are smaller than the crop.
    """
    generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds]
    if augmentation is None and crop is None:
        return to_observation(batch, device), generators
    patches = []
    for place, rng in enumerate(generators):
        patch = to_observation(Batch._make(field[place : place + 1] for field in batch), device, augmentation, rng)
        patches.append(patch if crop is None else _cropped(patch, crop, rng, batch.ids[place]))
    return Observation.cat(patches), generators


def _cropped(x: Observation, side: int, rng: torch.Generator, name: str) -> Observation:
    height, width = x.optical.shape[-2:]
    if min(height, width) < side:
        raise InputError(f"{name}: is {height}x{width} pixels, and training.crop is {side}; give {min(height, width)}")
    row, column = (int(torch.randint(length - side + 1, (), generator=rng)) for length in (height, width))
    return x.crop(slice(row, row + side), slice(column, column + side))


class _ShardedDraws(Generic[DrawnT]):
    """This process's shard of each draw, drawn again in each epoch."""

    def __init__(self, draws: Callable[[], Iterator[DrawnT]], shard: Shard, batch: int) -> None:
        self._draws: Callable[[], Iterator[DrawnT]] = draws
        self._shard, self._batch = shard, batch

    def __iter__(self) -> Iterator[DrawnT]:
        for draw in self._draws():
            yield draw.take(self._shard(self._batch))


class _ReadDataset(Dataset[Any]):
    """Reads what a draw names; the draws themselves are the keys of the data set."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self._read = read

    def __getitem__(self, draw: Any) -> Any:  # noqa: ANN401 (whatever `read` takes and gives)
        try:
            return self._read(draw)
        except UncloudedError as error:
            # Returned, since an error raised in a worker would come back wrapped in a traceback.
            return error


def _identity(batch: Any) -> Any:  # noqa: ANN401 (DataLoader's type for it is that of many samples)
    return batch
