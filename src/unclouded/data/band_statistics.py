"""Mean and standard deviation of every band over a domain, in one pass over the archive."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.bands import NAMES
from unclouded.data.archive import Archive
from unclouded.data.batch import CHANNELS
from unclouded.data.samplers import Rows
from unclouded.progress import Progress, silent


@dataclass
class BandStatistics:
    """Mean and standard deviation of all values added so far.

    Parts are combined by their means and sums of squared deviations, which avoids the cancellation of sums of squares
    (Chan, Golub and LeVeque 1979, eq. 2.1).
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, values: NDArray[Any]) -> None:
        """Add an array's values."""
        if not values.size:
            return
        exact = values.astype(np.float64)
        mean = float(exact.mean())
        exact -= mean
        step, count = mean - self.mean, self.count + values.size
        self.squares += float(np.vdot(exact, exact)) + step * step * self.count * values.size / count
        self.mean += step * values.size / count
        self.count = count

    @property
    def std(self) -> float:
        """Population standard deviation; NaN without values."""
        return math.sqrt(self.squares / self.count) if self.count else math.nan


def band_statistics(archive: Archive, rows: Rows, progress: Progress = silent) -> dict[str, BandStatistics]:
    """Statistics of the bands (DN) and radar channels (dB) of the patches in `rows`, at their native sizes.

    No-data, DN 0 and values that are not finite, is left out. Bands that no patch has are not in the result.
    """
    table = archive.table
    ids, radar = table["patch_id"].combine_chunks(), table["s1_name"].combine_chunks()
    moments: dict[str, BandStatistics] = {}
    for done, row in enumerate(rows.tolist(), start=1):
        tensors = dict(archive.read(ids[row].as_py()))
        if radar[row].is_valid:
            tensors |= archive.read(radar[row].as_py())
        for name, values in tensors.items():
            if name in NAMES:
                moments.setdefault(name, BandStatistics()).add(values[values > 0])
            elif name in CHANNELS:
                moments.setdefault(name, BandStatistics()).add(values[np.isfinite(values)])
        progress("band statistics", done, len(rows))
    return {name: moments[name] for name in (*NAMES, *CHANNELS) if name in moments}
