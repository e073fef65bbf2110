"""The two unpaired domains of an archive for training: X (cloud or shadow) and Y (clear).

loader = UnpairedLoader(Archive(path), Sampling(batch=32, seed=1), workers=4)
for batch in loader:                                  # one epoch: every cloudy patch once
    x, y = to_observations(batch, "cuda", Augmentation())
"""

from __future__ import annotations

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
from unclouded.data.loading import EpochLoader, SeededBatch, augmented, read_seeded
from unclouded.data.observations import Augmentation, share_bands
from unclouded.data.samplers import (
    ClearPool,
    EpochSampler,
    Rows,
    Seeds,
    Shard,
    UnpairedDraw,
    UnpairedSampler,
    whole_batch,
)
from unclouded.errors import InputError
from unclouded.models.observation import Observation

_DOMAINS = {"X": "cloudy", "Y": "clear"}


@dataclass(frozen=True)
class Sampling:
    """How batches are drawn.

    Attributes:
        batch: patches of each domain in a batch, of all processes together.
        seed: of the order, of the clear patches drawn, and of the augmentation.
        matched: draw each clear patch from the acquisition of its cloudy one, where that has any.
    """

    batch: int = 32
    seed: int = 0
    matched: bool = False


class DomainBatch(NamedTuple):
    """Equal numbers of patches of both domains.

    Attributes:
        x: cloudy patches.
        y: clear patches.
        paired: (B,) whether y shows the ground under x.
        seeds: (B,) of each pair's augmentation.
    """

    x: Batch
    y: Batch
    paired: Tensor
    seeds: Seeds


def select(table: pyarrow.Table, domain: str, split: str) -> Rows:
    """The rows of a domain ("X" or "Y") in a split.

    Raises:
        InputError: there is none; the message lists what the archive has.
    """
    domains, splits = column_of(table, "domain"), column_of(table, "split")
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
    """Code (N,) of each patch's acquisition, the same for patches of the same overpass."""
    column = table["acquisition"].combine_chunks().dictionary_encode()
    codes: NDArray[np.int64] = np.asarray(column.indices.fill_null(-1)).astype(np.int64)
    return codes


class UnpairedLoader(EpochLoader[DomainBatch]):
    """An epoch over the cloudy patches, each with a clear one drawn at random."""

    def __init__(
        self,
        archive: Archive,
        sampling: Sampling | None = None,
        *,
        split: str = "train",
        shard: Shard = whole_batch,
        workers: int = 0,
    ) -> None:
        """Load a split of `archive`.

        Args:
            archive: open archive.
            sampling: how batches are drawn.
            split: "train", "validation" or "test".
            shard: which patches of each batch this process reads.
            workers: processes that prefetch; 0 reads in this one.

        Raises:
            InputError: the split lacks a domain, or the labels are of another vocabulary.
        """
        sampling = sampling or Sampling()
        x, y = select(archive.table, "X", split), select(archive.table, "Y", split)
        acquisitions = acquisition_codes(archive.table)
        pool = ClearPool(y, acquisitions[y])
        batch, seed = sampling.batch, sampling.seed
        sampler = UnpairedSampler(x, acquisitions[x], pool, batch, seed=seed, matched=sampling.matched)
        super().__init__(sampler, sampler.pairs, partial(read_pairs, PatchReader(archive)), shard, workers)


class ClearLoader(EpochLoader[SeededBatch]):
    """An epoch over the clear patches."""

    def __init__(
        self,
        archive: Archive,
        sampling: Sampling | None = None,
        *,
        split: str = "train",
        shard: Shard = whole_batch,
        workers: int = 0,
    ) -> None:
        """Load a split of `archive`; arguments and errors as of `UnpairedLoader`."""
        sampling = sampling or Sampling()
        sampler = EpochSampler(select(archive.table, "Y", split), sampling.batch, seed=sampling.seed)
        super().__init__(sampler, sampler.__iter__, partial(read_seeded, PatchReader(archive)), shard, workers)


def to_observations(
    batch: DomainBatch,
    device: torch.device | str,
    augmentation: Augmentation | None = None,
    crop: int | None = None,
) -> tuple[Observation, Observation]:
    """Bring both domains to the device, augmented by the pairs' seeds, with the bands that both have.

    Both patches of a pair are rotated, cropped and reduced in bands in the same way, so that those of the same ground
    stay aligned.

    Raises:
        InputError: the patches are smaller than the crop.
    """
    x, y = (augmented(side, batch.seeds, device, augmentation, crop)[0] for side in (batch.x, batch.y))
    return share_bands(x, y)


def read_pairs(reader: PatchReader, draw: UnpairedDraw) -> DomainBatch:
    """Read the patches drawn of both domains."""
    return DomainBatch(reader.read(draw.x), reader.read(draw.y), torch.from_numpy(draw.paired), draw.seeds)


def column_of(table: pyarrow.Table, column: str) -> NDArray[np.object_]:
    """A column of text (N,) of an archive's table."""
    values: NDArray[np.object_] = table[column].to_numpy(zero_copy_only=False)
    return values
