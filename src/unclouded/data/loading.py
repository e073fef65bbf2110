"""Batches read ahead by worker processes, and each patch varied by its own seed, whichever process reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import torch
from torch.utils.data import DataLoader, Dataset

from unclouded.data.batch import Batch
from unclouded.data.observations import Augmentation, to_observation
from unclouded.data.samplers import Seeds
from unclouded.errors import InputError, UncloudedError
from unclouded.models.generator import Observation

D = TypeVar("D")
T = TypeVar("T")


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
    parts = []
    for place, rng in enumerate(generators):
        patch = to_observation(Batch._make(field[place : place + 1] for field in batch), device, augmentation, rng)
        parts.append(patch if crop is None else _cropped(patch, crop, rng, batch.ids[place]))
    return Observation(*(torch.cat(fields) for fields in zip(*parts, strict=True))), generators


def _cropped(x: Observation, side: int, rng: torch.Generator, name: str) -> Observation:
    height, width = x.optical.shape[-2:]
    if min(height, width) < side:
        raise InputError(f"{name}: is {height}x{width} pixels, and training.crop is {side}; give {min(height, width)}")
    row, column = (int(torch.randint(length - side + 1, (), generator=rng)) for length in (height, width))
    window = (..., slice(row, row + side), slice(column, column + side))
    return x._replace(optical=x.optical[window], valid=x.valid[window], guides=x.guides[window])


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
