"""The two domains of an archive for training and validation: X (cloud or shadow) and Y (clear), unpaired.

loader = UnpairedLoader(Archive(path), Sampling(batch=32, seed=1), workers=4)
for batch in loader:                                  # one epoch: every cloudy patch once
    x, y = to_observations(batch, "cuda", Augmentation())
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import pyarrow
import torch
from numpy.typing import NDArray
from torch import Tensor

from unclouded.data.archive import Archive
from unclouded.data.batch import Batch, PatchReader
from unclouded.data.loading import EpochLoader, ReadAhead, SeededBatch, read_seeded, varied
from unclouded.data.observations import Augmentation, share_bands
from unclouded.data.samplers import (
    ClearPool,
    EpochSampler,
    Rows,
    Seeds,
    Share,
    UnpairedDraw,
    UnpairedSampler,
    whole,
)
from unclouded.errors import InputError
from unclouded.models.observation import Observation

_DOMAINS = {"X": "cloudy", "Y": "clear"}


@dataclass(frozen=True)
class Sampling:
    """How batches are drawn.

    Attributes:
        batch: patches of each domain in a batch, of all processes together.
        seed: of the order, of the clear patches drawn, and of what is random in a patch afterwards.
        matched: draw each clear patch from the acquisition of the cloudy one beside it, where it has any.
    """

    batch: int = 32
    seed: int = 0
    matched: bool = False


class DomainBatch(NamedTuple):
    """As many patches of either domain.

    Attributes:
        x: cloudy patches.
        y: clear patches.
        paired: (B,) whether y shows the ground under x.
        seeds: (B,) of all that is random in the patches.
    """

    x: Batch
    y: Batch
    paired: Tensor
    seeds: Seeds


def select(table: pyarrow.Table, domain: str, split: str) -> Rows:
    """Find the rows of a domain ("X" or "Y") in a split.

    Raises:
        InputError: there is none; the message says what there is.
    """
    domains, splits = _strings(table, "domain"), _strings(table, "split")
    rows = np.flatnonzero((domains == domain) & (splits == split)).astype(np.int64)
    if not rows.size:
        known = [f"{name} {kind}" for name in _DOMAINS for kind in ("train", "validation", "test")]
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


class UnpairedLoader(EpochLoader[DomainBatch]):
    """An epoch over the cloudy patches, each with a clear one drawn at random beside it."""

    def __init__(
        self,
        archive: Archive,
        sampling: Sampling | None = None,
        *,
        split: str = "train",
        share: Share = whole,
        workers: int = 0,
    ) -> None:
        """Load a split of `archive`.

        Args:
            archive: open archive.
            sampling: how batches are drawn.
            split: "train", "validation" or "test".
            share: of each batch, that this process reads.
            workers: processes that read ahead; 0 reads in this one.

        Raises:
            InputError: the split lacks a domain, or the labels are of another vocabulary.
        """
        sampling = sampling or Sampling()
        x, y = select(archive.table, "X", split), select(archive.table, "Y", split)
        acquisitions = acquisition_codes(archive.table)
        pool = ClearPool(y, acquisitions[y])
        batch, seed = sampling.batch, sampling.seed
        sampler = UnpairedSampler(x, acquisitions[x], pool, batch, seed=seed, matched=sampling.matched)
        super().__init__(sampler, sampler.pairs, partial(_read_pairs, PatchReader(archive)), share, workers)


class ClearLoader(EpochLoader[SeededBatch]):
    """An epoch over the clear patches."""

    def __init__(
        self,
        archive: Archive,
        sampling: Sampling | None = None,
        *,
        split: str = "train",
        share: Share = whole,
        workers: int = 0,
    ) -> None:
        """Load a split of `archive`; arguments and errors as of `UnpairedLoader`."""
        sampling = sampling or Sampling()
        sampler = EpochSampler(select(archive.table, "Y", split), sampling.batch, seed=sampling.seed)
        super().__init__(sampler, sampler.__iter__, partial(read_seeded, PatchReader(archive)), share, workers)


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
    pool = ClearPool(y, acquisitions[y])
    drawn = pool.draw(np.random.default_rng(seed).random(len(x)), acquisitions[x] if matched else None)
    return x, np.where(paired, truth, drawn), paired


class ValidationLoader:
    """Iterate over the fixed pairs of a split, the same in every epoch."""

    def __init__(
        self,
        archive: Archive,
        sampling: Sampling | None = None,
        *,
        split: str = "validation",
        limit: int | None = None,
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
        whole_split = UnpairedDraw(x, y, paired, np.random.default_rng(sampling.seed).integers(2**32, size=len(x)))
        starts = range(0, len(x), sampling.batch)
        draws = [whole_split.take(slice(start, start + sampling.batch)) for start in starts]
        self._batches = ReadAhead(partial(_read_pairs, PatchReader(archive)), draws, workers)
        self._count = len(draws)

    def __len__(self) -> int:
        """Return the number of batches."""
        return self._count

    def __iter__(self) -> Iterator[DomainBatch]:
        """Hand out all batches; the last may be smaller."""
        return iter(self._batches)


def to_observations(
    batch: DomainBatch,
    device: torch.device | str,
    augmentation: Augmentation | None = None,
    crop: int | None = None,
) -> tuple[Observation, Observation]:
    """Bring both domains to the device, with the bands that both have; what is random comes from the patches' seeds.

    Patches side by side are turned and cropped alike, so that those of the same ground stay on each other, and lose the
    same bands.

    Raises:
        InputError: the patches are smaller than the crop.
    """
    x, y = (varied(side, batch.seeds, device, augmentation, crop)[0] for side in (batch.x, batch.y))
    return share_bands(x, y)


def _read_pairs(reader: PatchReader, draw: UnpairedDraw) -> DomainBatch:
    return DomainBatch(reader.read(draw.x), reader.read(draw.y), torch.from_numpy(draw.paired), draw.seeds)


def _strings(table: pyarrow.Table, column: str) -> NDArray[np.object_]:
    values: NDArray[np.object_] = table[column].to_numpy(zero_copy_only=False)
    return values
