"""Labelled clear patches of an archive: in random order to train on, in the table's order to measure on."""

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
from unclouded.data.loading import EpochLoader, ReadAhead, read_seeded, varied
from unclouded.data.observations import SCALE, Augmentation, to_observation
from unclouded.data.samplers import EpochSampler, Rows, Share, whole
from unclouded.errors import InputError
from unclouded.files import sha256_of
from unclouded.models.observation import Observation

_STATISTICS = 2000
"""Patches whose bands are measured to standardise by."""


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

    Every draw comes from a generator seeded by (seed, epoch) or (seed, epoch, step), so that all a checkpoint must keep
    is the position.

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
        share: Share = whole,
        workers: int = 0,
    ) -> None:
        """Select the patches.

        Args:
            archive: open archive.
            split: "train", "validation" or "test".
            classes: 43 or 19.
            batch: patches in a batch, of all processes together.
            seed: of the order and the augmentation.
            limit: take so many patches at most, drawn by the seed.
            augmentation: of `shuffled` batches.
            device: where the observations go.
            share: of each `shuffled` batch, that this process reads.
            workers: processes that read ahead; 0 reads in this one.

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
        self._device, self._share, self._workers = device, share, workers
        self._augmentation = augmentation

    def __len__(self) -> int:
        """Return the number of patches."""
        return len(self.rows)

    @property
    def counts(self) -> Tensor:
        """(K,) how many of the patches have each label."""
        return torch.from_numpy(self._reader.labels[self.rows].sum(axis=0))

    def levels(self) -> tuple[str, ...]:
        """Processing levels among the patches."""
        levels = self._archive.table["level"].take(self.rows).unique().to_pylist()
        return tuple(sorted(str(level) for level in levels))

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation (13,) of each band's reflectance; 0 and 1 for a band that is not there."""
        some = np.random.default_rng(self._sampler.seed).permutation(self.rows)[:_STATISTICS]
        moments = band_statistics(self._archive, np.sort(some))
        measured = [moments.get(name) for name in NAMES]
        mean = torch.tensor([m.mean / SCALE if m else 0.0 for m in measured])
        # A band that is the same everywhere tells nothing; it must not be divided by nothing.
        std = torch.tensor([max(m.std / SCALE, 1e-4) if m else 1.0 for m in measured])
        return mean, std

    def shuffled(self) -> Iterator[Labelled]:
        """Go through the patches for ever, in another random order each epoch, from the position on.

        What is handed out is this process's share of each batch; see `samplers.EpochSampler` for an epoch's end.
        """
        read = partial(read_seeded, self._reader)
        loader = EpochLoader(self._sampler, self._sampler.__iter__, read, self._share, self._workers)
        while True:
            for patches, seeds in loader:
                yield _labelled(patches, varied(patches, seeds, self._device, self._augmentation)[0])

    def in_order(self) -> Iterator[Labelled]:
        """Go through the patches once, as they are; the last batch may be smaller."""
        size = self._sampler.batch
        chunks = np.split(self.rows, range(size, len(self), size))
        for patches in ReadAhead(self._reader.read, chunks, self._workers):
            yield _labelled(patches, to_observation(patches, self._device))

    def state_dict(self) -> dict[str, Any]:
        """Return the position, and what it is a position in."""
        return self._sampler.state_dict() | {"classes": len(self.classes)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a position that `state_dict` gave.

        Raises:
            InputError: the position is one in other data, or in other batches.
        """
        self._sampler.load_state_dict(state)


def checksum(archive: Path) -> str:
    """SHA-256 of an archive's `metadata.parquet`: which patches it holds, with labels and splits.

    Raises:
        FileError: it cannot be read.
    """
    return sha256_of(archive / "metadata.parquet")


def _labelled(batch: Batch, observation: Observation) -> Labelled:
    return Labelled(observation, batch.labels, batch.ids)
