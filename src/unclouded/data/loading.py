"""Batches read ahead by worker processes, and each patch varied by its own seed, whichever process reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, NamedTuple, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from unclouded.data.batch import Batch, PatchReader
from unclouded.data.observations import Augmentation, to_observation
from unclouded.data.samplers import Draw, Drawn, EpochSampler, Seeds, Share
from unclouded.errors import InputError, UncloudedError
from unclouded.models.observation import Observation

D = TypeVar("D")
T = TypeVar("T")
DrawnT = TypeVar("DrawnT", bound=Drawn)


class SeededBatch(NamedTuple):
    """Patches of one domain, and the seeds (B,) of all that is random in them."""

    patches: Batch
    seeds: Seeds


def read_seeded(reader: PatchReader, draw: Draw) -> SeededBatch:
    """Read what was drawn of one domain."""
    return SeededBatch(reader.read(draw.rows), draw.seeds)


class ReadAhead(Generic[D, T]):
    """What is read for some draws, each time anew, ahead of need by worker processes if there are any."""

    def __init__(self, read: Callable[[D], T], draws: Iterable[D], workers: int) -> None:
        """Read each of `draws` by `read`, which must be picklable if there are `workers`."""
        self._loader = DataLoader(
            _Reading(read),
            sampler=draws,
            batch_size=None,
            num_workers=workers,
            collate_fn=_as_it_is,
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
    """Iterate to train on one epoch, or on what is left of it; iterate again for the next.

    Attributes:
        sampler: where it is: the position in the epoch.
    """

    def __init__(
        self,
        sampler: EpochSampler,
        draws: Callable[[], Iterator[DrawnT]],
        read: Callable[[DrawnT], T],
        share: Share,
        workers: int,
    ) -> None:
        """Read by `read` the `share` of what `draws` gives of the rest of the sampler's epoch."""
        self.sampler = sampler
        self._batches: ReadAhead[DrawnT, T] = ReadAhead(read, _Shared(draws, share, sampler.batch), workers)

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self.sampler)

    def __iter__(self) -> Iterator[T]:
        """Hand out the rest of the epoch; a state taken while a batch is in use goes on with the next."""
        for batch in self._batches:
            # Workers read ahead, so the position counts what was handed out, not what was drawn.
            self.sampler.advance()
            yield batch


def varied(
    batch: Batch,
    seeds: Seeds,
    device: torch.device | str,
    augmentation: Augmentation | None = None,
    crop: int | None = None,
) -> tuple[Observation, list[torch.Generator]]:
    """Bring a batch to the device, each patch varied and cropped by a generator of its own.

    Args:
        batch: B patches.
        seeds: (B,) of the generators.
        device: where the observation goes.
        augmentation: how the patches are varied; not at all unless given.
        crop: side in pixels of the square that is taken of each patch, at a random place; all of it unless given.

    Returns:
        The observation, and the generators, for what else is random in a patch.

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


class _Shared(Generic[DrawnT]):
    """This process's share of what is drawn, drawn anew in each epoch."""

    def __init__(self, draws: Callable[[], Iterator[DrawnT]], share: Share, batch: int) -> None:
        self._draws: Callable[[], Iterator[DrawnT]] = draws
        self._share, self._batch = share, batch

    def __iter__(self) -> Iterator[DrawnT]:
        for draw in self._draws():
            yield draw.take(self._share(self._batch))


class _Reading(Dataset[Any]):
    """Turns draws into what is read; the draws themselves are the keys, so that workers need no order of their own."""

    def __init__(self, read: Callable[[Any], Any]) -> None:
        self._read = read

    def __getitem__(self, draw: Any) -> Any:  # noqa: ANN401 (whatever `read` takes and gives)
        try:
            return self._read(draw)
        except UncloudedError as error:
            # Handed over as it is: raised in a worker, it would come back wrapped in a traceback.
            return error


def _as_it_is(batch: Any) -> Any:  # noqa: ANN401 (DataLoader's type for it is that of many samples)
    return batch
