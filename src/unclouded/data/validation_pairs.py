"""Fixed pairs of a cloudy and a clear patch of an archive, on which a run is validated."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from unclouded.data.archive import Archive
from unclouded.data.batch import PatchReader
from unclouded.data.domains import DomainBatch, Sampling, acquisition_codes, column_of, read_pairs, select
from unclouded.data.loading import Prefetcher
from unclouded.data.samplers import ClearPool, Rows, UnpairedDraw


def validation_pairs(
    archive: Archive, *, split: str = "validation", seed: int = 0, matched: bool = False
) -> tuple[Rows, Rows, NDArray[np.bool_]]:
    """Fixed pairs of a split: every cloudy patch with a clear one.

    The clear one is the image of the same ground where the archive has one (`clear_id`), else it is drawn at random.

    Returns:
        Rows (N,) of the cloudy patches, in the table's order, rows (N,) of the clear ones, and which (N,) are of the
        same ground.

    Raises:
        InputError: the split lacks cloudy patches, or clear ones where they must be drawn.
    """
    table = archive.table
    x = select(table, "X", split)
    place = {name: row for row, name in enumerate(column_of(table, "patch_id"))}
    truth = np.array([place.get(name, -1) for name in column_of(table, "clear_id")[x]], np.int64)
    paired = truth >= 0
    if paired.all():
        return x, truth, paired
    acquisitions = acquisition_codes(table)
    y = select(table, "Y", split)
    pool = ClearPool(y, acquisitions[y])
    drawn = pool.draw(np.random.default_rng(seed).random(len(x)), acquisitions[x] if matched else None)
    return x, np.where(paired, truth, drawn), paired


class ValidationLoader:
    """Iterates over the fixed pairs of a split, the same in every epoch."""

    def __init__(
        self,
        archive: Archive,
        sampling: Sampling | None = None,
        *,
        split: str = "validation",
        limit: int | None = None,
        workers: int = 0,
    ) -> None:
        """Load `validation_pairs`, or a random sample of at most `limit` of them.

        Raises:
            InputError: as `validation_pairs`.
        """
        sampling = sampling or Sampling()
        x, y, paired = validation_pairs(archive, split=split, seed=sampling.seed, matched=sampling.matched)
        if limit is not None and limit < len(x):
            # Neighbours in the table are of the same scene, so the first rows would be of one acquisition only.
            some = np.sort(np.random.default_rng((sampling.seed, limit)).permutation(len(x))[:limit])
            x, y, paired = x[some], y[some], paired[some]
        whole_split = UnpairedDraw(x, y, paired, np.random.default_rng(sampling.seed).integers(2**32, size=len(x)))
        starts = range(0, len(x), sampling.batch)
        draws = [whole_split.take(slice(start, start + sampling.batch)) for start in starts]
        self._batches = Prefetcher(partial(read_pairs, PatchReader(archive)), draws, workers)
        self._count = len(draws)

    def __len__(self) -> int:
        """Return the number of batches."""
        return self._count

    def __iter__(self) -> Iterator[DomainBatch]:
        """Hand out all batches; the last may be smaller."""
        return iter(self._batches)
