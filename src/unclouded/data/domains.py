"""The two domains of an archive for training and validation: X (cloud or shadow) and Y (clear), unpaired.

loader = UnpairedLoader(Archive(path), Sampling(batch=32, seed=1), workers=4)
for batch in loader:                                  # one epoch: every cloudy patch once
    x, y = to_observations(batch, "cuda", Augmentation())
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from unclouded.data.archive import Archive
from unclouded.data.batch import Batch, PatchReader
from unclouded.data.observations import Augmentation, share_bands, to_observation
from unclouded.data.samplers import ClearPool, Draw, Rows, UnpairedSampler, class_balanced
from unclouded.errors import InputError, UncloudedError
from unclouded.models.generator import Observation

_DOMAINS = {"X": "cloudy", "Y": "clear"}


@dataclass(frozen=True)
class Sampling:
    """How batches are drawn.

    Attributes:
        batch: patches of each domain in a batch of one process.
        seed: of the order, of the clear patches drawn, and of what is random in a batch afterwards.
        matched: draw each clear patch from the acquisition of the cloudy one beside it, where it has any.
        balanced: draw a class first, then one of its clear patches, so that rare classes are seen as often.
        classes: size of the labels' vocabulary, 43 or 19.
    """

    batch: int = 32
    seed: int = 0
    matched: bool = False
    balanced: bool = False
    classes: int = 43


class DomainBatch(NamedTuple):
    """As many patches of either domain.

    Attributes:
        x: cloudy patches.
        y: clear patches.
        paired: (B,) whether y shows the ground under x.
        seed: for all that is random in the batch.
    """

    x: Batch
    y: Batch
    paired: Tensor
    seed: int


def select(table: pyarrow.Table, domain: str, split: str) -> Rows:
    """Find the rows of a domain ("X" or "Y") in a split.

    Raises:
        InputError: there is none; the message says what there is.
    """
    domains, splits = _strings(table, "domain"), _strings(table, "split")
    rows = np.flatnonzero((domains == domain) & (splits == split)).astype(np.int64)
    if not rows.size:
        known = [f"{name} {part}" for name in _DOMAINS for part in ("train", "validation", "test")]
        counts = {name: int(((domains == name[0]) & (splits == name[2:])).sum()) for name in known}
        found = ", ".join(f"{count:,} in {name}" for name, count in counts.items() if count) or "none in any"
        raise InputError(
            f"the archive has no {_DOMAINS[domain]} patch (domain {domain}) in split {split!r}; it has {found}: "
            "choose a split that has some, or pack more data"
        )
    return rows


def acquisition_codes(table: pyarrow.Table) -> NDArray[np.int64]:
    """Number the acquisitions: (N,) the same number for patches of the same overpass."""
    column = table["acquisition"].combine_chunks().dictionary_encode()
    codes: NDArray[np.int64] = np.asarray(column.indices.fill_null(-1)).astype(np.int64)
    return codes


class UnpairedLoader:
    """Iterate to train on one epoch, or on what is left of it; iterate again for the next."""

    def __init__(
        self,
        archive: Archive,
        sampling: Sampling | None = None,
        *,
        split: str = "train",
        rank: int = 0,
        world_size: int = 1,
        workers: int = 0,
    ) -> None:
        """Load a split of `archive`.

        Args:
            archive: open archive.
            sampling: how batches are drawn.
            split: "train", "validation" or "test".
            rank: number of this process among those that train together.
            world_size: how many they are.
            workers: processes that read ahead; 0 reads in this one.

        Raises:
            InputError: the split lacks a domain, or the labels are not of the vocabulary asked for.
        """
        sampling = sampling or Sampling()
        table = archive.table
        x, y = select(table, "X", split), select(table, "Y", split)
        reader = PatchReader(archive, sampling.classes)
        chances = class_balanced(reader.labels[y]) if sampling.balanced else np.ones(len(y))
        acquisitions = acquisition_codes(table)
        self._sampler = UnpairedSampler(
            x,
            acquisitions[x],
            ClearPool(y, acquisitions[y], chances),
            sampling.batch,
            seed=sampling.seed,
            matched=sampling.matched,
            rank=rank,
            world_size=world_size,
        )
        self._balanced = sampling.balanced
        self._batches = _Batches(reader, self._sampler, workers)

    @property
    def epoch(self) -> int:
        """The epoch of the next batch."""
        return self._sampler.epoch

    @property
    def step(self) -> int:
        """The step, within the epoch, of the next batch."""
        return self._sampler.step

    def __len__(self) -> int:
        """Return the number of batches in an epoch."""
        return len(self._sampler)

    def __iter__(self) -> Iterator[DomainBatch]:
        """Hand out the rest of the epoch; a state taken while a batch is in use goes on with the next."""
        for batch in self._batches:
            # Workers read ahead, so the position counts what was handed out, not what was drawn.
            self._sampler.advance()
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Return what a checkpoint must keep; plain numbers."""
        return self._sampler.state_dict() | {"balanced": self._balanced}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken, to the very sample.

        Raises:
            InputError: the state belongs to other data or another sampling.
        """
        if state.get("balanced") != self._balanced:
            raise InputError(
                f"the checkpoint's data has balanced {state.get('balanced')}, this run's {self._balanced}: "
                "resume with the settings of the checkpoint, or start a new run"
            )
        self._sampler.load_state_dict(state)


def validation_pairs(
    archive: Archive, *, split: str = "validation", seed: int = 0, matched: bool = False
) -> tuple[Rows, Rows, NDArray[np.bool_]]:
    """Put a clear patch beside every cloudy one of a split, always the same.

    It is the clear image of the same ground where the archive knows one (`clear_id`), else one drawn at random.

    Returns:
        Rows (N,) of the cloudy patches, in the table's order, rows (N,) of the clear ones, and which (N,) are of the
        same ground.

    Raises:
        InputError: the split lacks cloudy patches, or clear ones where they must be drawn.
    """
    table = archive.table
    x = select(table, "X", split)
    place = {name: row for row, name in enumerate(_strings(table, "patch_id"))}
    truth = np.array([place.get(name, -1) for name in _strings(table, "clear_id")[x]], np.int64)
    paired = truth >= 0
    if paired.all():
        return x, truth, paired
    acquisitions = acquisition_codes(table)
    y = select(table, "Y", split)
    pool = ClearPool(y, acquisitions[y], np.ones(len(y)))
    drawn = pool.draw(np.random.default_rng(seed).random(len(x)), acquisitions[x] if matched else None)
    return x, np.where(paired, truth, drawn), paired


class ValidationLoader:
    """Iterate over the fixed pairs of a split, the same in every epoch; each process has its share of them."""

    def __init__(
        self,
        archive: Archive,
        sampling: Sampling | None = None,
        *,
        split: str = "validation",
        limit: int | None = None,
        rank: int = 0,
        world_size: int = 1,
        workers: int = 0,
    ) -> None:
        """Load the pairs of `validation_pairs`; of more than `limit`, so many drawn by the seed.

        Raises:
            InputError: as `validation_pairs`.
        """
        sampling = sampling or Sampling()
        x, y, paired = validation_pairs(archive, split=split, seed=sampling.seed, matched=sampling.matched)
        if limit is not None and limit < len(x):
            # Neighbours in the table show the same scene: a few of them would stand for one acquisition only.
            some = np.sort(np.random.default_rng((sampling.seed, limit)).permutation(len(x))[:limit])
            x, y, paired = x[some], y[some], paired[some]
        mine = np.arange(rank, len(x), world_size)
        parts = [mine[start : start + sampling.batch] for start in range(0, len(mine), sampling.batch)]
        draws = [Draw(x[part], y[part], paired[part], sampling.seed) for part in parts]
        self._batches = _Batches(PatchReader(archive, sampling.classes), draws, workers)
        self._count = len(draws)

    def __len__(self) -> int:
        """Return the number of batches of this process."""
        return self._count

    def __iter__(self) -> Iterator[DomainBatch]:
        """Hand out all batches; the last may be smaller."""
        return iter(self._batches)


def to_observations(
    batch: DomainBatch, device: torch.device | str, augmentation: Augmentation | None = None
) -> tuple[Observation, Observation]:
    """Bring both domains to the device, with the bands that both have; what is random comes from the batch's seed.

    Patches side by side are turned alike, so that those of the same ground stay on each other, and lose the same bands.
    """
    x, y = (
        to_observation(part, device, augmentation, torch.Generator().manual_seed(batch.seed))
        for part in (batch.x, batch.y)
    )
    return share_bands(x, y)


class _Draws(Dataset[DomainBatch | UncloudedError]):
    """Turns draws into batches; the draws themselves are the keys, so that workers need no order of their own."""

    def __init__(self, reader: PatchReader) -> None:
        self._reader = reader

    def __getitem__(self, draw: Draw) -> DomainBatch | UncloudedError:
        try:
            x, y = self._reader.read(draw.x), self._reader.read(draw.y)
        except UncloudedError as error:
            # Handed over as it is: raised in a worker, it would come back wrapped in a traceback.
            return error
        return DomainBatch(x, y, torch.from_numpy(draw.paired), draw.seed)


class _Batches:
    """The batches of some draws, each time anew, read ahead by worker processes if there are any."""

    def __init__(self, reader: PatchReader, draws: Iterable[Draw], workers: int) -> None:
        self._loader = DataLoader(
            _Draws(reader),
            sampler=draws,
            batch_size=None,
            num_workers=workers,
            collate_fn=_as_it_is,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
        )

    def __iter__(self) -> Iterator[DomainBatch]:
        for batch in self._loader:
            if isinstance(batch, UncloudedError):
                raise batch
            yield batch


def _as_it_is(batch: Any) -> Any:  # noqa: ANN401 - DataLoader's type for it is that of many samples
    return batch


def _strings(table: pyarrow.Table, column: str) -> NDArray[np.object_]:
    values: NDArray[np.object_] = table[column].to_numpy(zero_copy_only=False)
    return values
