"""Labelled clear patches of an archive: in random order for training, in the table's order for evaluation."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from unclouded.bands import NAMES
from unclouded.data.archive import Archive
from unclouded.data.band_statistics import band_statistics
from unclouded.data.batch import CLASSES, Batch, PatchReader
from unclouded.data.domains import select
from unclouded.data.loading import EpochLoader, Prefetcher, augmented, read_seeded
from unclouded.data.observations import SCALE, Augmentation, to_observation
from unclouded.data.samplers import EpochSampler, Rows, Shard, whole_batch
from unclouded.errors import InputError
from unclouded.files import sha256_of
from unclouded.models.observation import Observation

_STATISTICS = 2000
"""Patches over which the bands' statistics are computed."""


class Labelled(NamedTuple):
    """B images and their labels.

    Attributes:
        observation: on the device.
        labels: (B, K) 0 or 1, on the CPU.
        ids: the patches' ids.
    """

    observation: Observation
    labels: Tensor
    ids: list[str]


class LabelledPatches:
    """The clear patches of one split that have labels.

    Every draw comes from a generator seeded by (seed, epoch) or (seed, epoch, step), so that a checkpoint needs to
    keep the position alone.

    Attributes:
        rows: (N,) of the patches.
        classes: names of the labels.
    """

    def __init__(
        self,
        archive: Archive,
        split: str,
        *,
        classes: int = 43,
        batch: int = 64,
        seed: int = 0,
        limit: int | None = None,
        augmentation: Augmentation | None = None,
        device: torch.device | str = "cpu",
        shard: Shard = whole_batch,
        workers: int = 0,
    ) -> None:
        """Select the patches.

        Args:
            archive: open archive.
            split: "train", "validation" or "test".
            classes: 43 or 19.
            batch: patches in a batch, of all processes together.
            seed: of the order and the augmentation.
            limit: most patches, a random sample if there are more.
            augmentation: of `shuffled` batches.
            device: of the observations.
            shard: which patches of each `shuffled` batch this process reads.
            workers: processes that prefetch; 0 reads in this one.

        Raises:
            InputError: the split has no clear patch, no labels, or labels of another vocabulary.
        """
        self._archive, self._reader = archive, PatchReader(archive, classes)
        self.classes = CLASSES[classes]
        rows = select(archive.table, "Y", split)
        rows = rows[self._reader.labels[rows].any(axis=1)]
        if not rows.size:
            raise InputError(
                f"the clear patches in split {split!r} have none of the {classes} labels; pack an archive with labels"
            )
        if limit is not None and limit < len(rows):
            rows = rows[np.sort(np.random.default_rng((seed, limit)).permutation(len(rows))[:limit])]
        self.rows: Rows = rows
        self._sampler = EpochSampler(rows, batch, seed=seed)
        self._device, self._shard, self._workers = device, shard, workers
        self._augmentation = augmentation

    def __len__(self) -> int:
        """Return the number of patches."""
        return len(self.rows)

    @property
    def counts(self) -> Tensor:
        """(K,) number of patches with each label."""
        return torch.from_numpy(self._reader.labels[self.rows].sum(axis=0))

    def levels(self) -> tuple[str, ...]:
        """Processing levels of the patches, sorted."""
        levels = self._archive.table["level"].take(self.rows).unique().to_pylist()
        return tuple(sorted(str(level) for level in levels))

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (13,) of each band's reflectance; 0 and 1 for an absent band."""
        some = np.random.default_rng(self._sampler.seed).permutation(self.rows)[:_STATISTICS]
        moments = band_statistics(self._archive, np.sort(some))
        measured = [moments.get(name) for name in NAMES]
        mean = torch.tensor([m.mean / SCALE if m else 0.0 for m in measured])
        # A constant band must not be divided by 0.
        std = torch.tensor([max(m.std / SCALE, 1e-4) if m else 1.0 for m in measured])
        return mean, std

    def shuffled(self) -> Iterator[Labelled]:
        """Iterate endlessly over this process's shard of each batch, from the position on, reshuffled in each epoch."""
        read = partial(read_seeded, self._reader)
        loader = EpochLoader(self._sampler, self._sampler.__iter__, read, self._shard, self._workers)
        while True:
            for patches, seeds in loader:
                yield _labelled(patches, augmented(patches, seeds, self._device, self._augmentation)[0])

    def in_order(self) -> Iterator[Labelled]:
        """Iterate once over the patches without augmentation; the last batch may be smaller."""
        size = self._sampler.batch
        chunks = np.split(self.rows, range(size, len(self), size))
        for patches in Prefetcher(self._reader.read, chunks, self._workers):
            yield _labelled(patches, to_observation(patches, self._device))

    def state_dict(self) -> dict[str, Any]:
        """The position, with the seeds and sizes on which it depends."""
        return self._sampler.state_dict() | {"classes": len(self.classes)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a position that `state_dict` gave.

        Raises:
            InputError: the position is of other data, or of batches of another size.
        """
        self._sampler.load_state_dict(state)


def checksum(archive: Path) -> str:
    """SHA-256 of an archive's `metadata.parquet`, which identifies its patches, labels and splits.

    Raises:
        FileError: it cannot be read.
    """
    return sha256_of(archive / "metadata.parquet")


def _labelled(batch: Batch, observation: Observation) -> Labelled:
    return Labelled(observation, batch.labels, batch.ids)
