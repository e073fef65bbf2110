"""Labelled clear patches of an archive: in random order to train on, in the table's order to measure on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from unclouded.bands import NAMES
from unclouded.data.archive import Archive
from unclouded.data.band_statistics import band_statistics
from unclouded.data.batch import CLASSES, Batch, PatchReader
from unclouded.data.domains import select
from unclouded.data.observations import SCALE, Augmentation, to_observation
from unclouded.data.samplers import Position, Rows
from unclouded.errors import InputError
from unclouded.models.generator import Observation

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


class LabelledPatches(Position):
    """The clear patches of one split that have labels.

    Every draw comes from a generator seeded by (seed, epoch) or (seed, epoch, step), so that all a checkpoint must keep
    is the position.
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
        workers: int = 0,
    ) -> None:
        """Select the patches.

        Args:
            archive: open archive.
            split: "train", "validation" or "test".
            classes: 43 or 19.
            batch: patches in a batch.
            seed: of the order and the augmentation.
            limit: take so many patches at most, drawn by the seed.
            augmentation: of `shuffled` batches.
            device: where the observations go.
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
        self._batch, self._seed, self._device, self._workers = batch, seed, device, workers
        self._augmentation = augmentation
        self.epoch = self.step = 0

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
        some = np.random.default_rng(self._seed).permutation(self.rows)[:_STATISTICS]
        moments = band_statistics(self._archive, np.sort(some))
        measured = [moments.get(name) for name in NAMES]
        mean = torch.tensor([m.mean / SCALE if m else 0.0 for m in measured])
        # A band that is the same everywhere tells nothing; it must not be divided by nothing.
        std = torch.tensor([max(m.std / SCALE, 1e-4) if m else 1.0 for m in measured])
        return mean, std

    def shuffled(self) -> Iterator[Labelled]:
        """Go through the patches for ever, in another random order each epoch, from the position on.

        Patches that do not fill the last batch of an epoch wait for another epoch's order; of fewer patches than a
        batch takes, some are shown more than once.
        """
        while True:
            order = self._order(self.epoch)
            parts = [order[start : start + self._batch] for start in range(0, len(order), self._batch)]
            for batch in self._load(parts[self.step :]):
                position = (self._seed, self.epoch, self.step)
                # Workers read ahead, so the position counts what was handed out, not what was drawn.
                self.step += 1
                if self.step == len(parts):
                    self.epoch, self.step = self.epoch + 1, 0
                seed = int(np.random.SeedSequence(position).generate_state(1, np.uint32)[0])
                rng = torch.Generator().manual_seed(seed)
                yield _labelled(batch, to_observation(batch, self._device, self._augmentation, rng))

    def in_order(self) -> Iterator[Labelled]:
        """Go through the patches once, as they are; the last batch may be smaller."""
        parts = [self.rows[start : start + self._batch] for start in range(0, len(self.rows), self._batch)]
        for batch in self._load(parts):
            yield _labelled(batch, to_observation(batch, self._device))

    def _identity(self) -> dict[str, Any]:
        return {"seed": self._seed, "batch": self._batch, "patches": len(self.rows), "classes": len(self.classes)}

    def _order(self, epoch: int) -> Rows:
        rng = np.random.default_rng((self._seed, epoch))
        count = max(1, len(self.rows) // self._batch) * self._batch
        rounds = [rng.permutation(self.rows) for _ in range(-(-count // len(self.rows)))]
        return np.concatenate(rounds)[:count]

    def _load(self, parts: Sequence[Rows]) -> Iterable[Batch]:
        return DataLoader(
            _Parts(self._reader),
            sampler=parts,
            batch_size=None,
            num_workers=self._workers,
            collate_fn=_as_it_is,
            pin_memory=torch.cuda.is_available(),
        )


def checksum(archive: Path) -> str:
    """SHA-256 of an archive's `metadata.parquet`: which patches it holds, with labels and splits."""
    return hashlib.sha256((archive / "metadata.parquet").read_bytes()).hexdigest()


class _Parts(Dataset[Batch]):
    """Turns rows into batches; the rows themselves are the keys."""

    def __init__(self, reader: PatchReader) -> None:
        self._reader = reader

    def __getitem__(self, rows: Rows) -> Batch:
        return self._reader.read(rows)


def _labelled(batch: Batch, observation: Observation) -> Labelled:
    return Labelled(observation, batch.labels, batch.ids)


def _as_it_is(batch: Any) -> Any:  # noqa: ANN401 (DataLoader thinks of lists)
    return batch
