"""The quality file of a cleared scene at a small size: opacity, uncertainty and source."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import InputError
from unclouded.files import QUALITY_BANDS
from unclouded.reading.files.raster import open_raster, read_overview
from unclouded.reading.names.dates import day_in
from unclouded.sources import FIRST_REFERENCE, GUESSED, OBSERVED, named_references


@dataclass(frozen=True)
class Quality:
    """The quality of a scene at a small size.

    Attributes:
        opacity: (h, w), 0 to 1, NaN where there is no data.
        uncertainty: (h, w) in reflectance, likewise.
        source: (h, w) see `unclouded.sources`, likewise.
        references: names by their `source`.
    """

    opacity: NDArray[np.float32]
    uncertainty: NDArray[np.float32]
    source: NDArray[np.float32]
    references: dict[int, str] = field(default_factory=dict)

    @property
    def replaced(self) -> float:
        """Share of the pixels with data that were replaced; NaN if there are none."""
        valid = np.isfinite(self.opacity)
        return float((self.opacity[valid] > 0).mean()) if valid.any() else float("nan")

    @property
    def error(self) -> float | None:
        """Mean uncertainty where something was replaced; None where nothing was."""
        replaced = np.nan_to_num(self.opacity) > 0
        return float(np.nanmean(self.uncertainty[replaced])) if replaced.any() else None

    @property
    def shares(self) -> dict[int, float]:
        """Share of the pixels with data by `source`, without those observed in the scene itself."""
        codes = self.source[np.isfinite(self.source)].astype(int)
        return {int(code): float((codes == code).mean()) for code in np.unique(codes) if code > OBSERVED}

    def source_name(self, code: int) -> str:
        """The name of a `source`; for a reference its day, if its file name holds one."""
        if code in (OBSERVED, GUESSED):
            return "observed" if code == OBSERVED else "guessed by the network"
        name = PurePosixPath(self.references.get(code, "")).name
        return f"from {day_in(name) or name or f'reference {code - FIRST_REFERENCE + 1}'}"


def read_quality(path: Path, shape: tuple[int, int], height: int, width: int) -> Quality:
    """Read the quality file of a scene of `shape` (rows, columns) at the size (height, width).

    Raises:
        InputError: the file is not the quality of this scene.
        FileError: the file is damaged.
    """
    with open_raster(str(path)) as dataset:
        # Files of two bands, without a source, are accepted too.
        if dataset.descriptions[:2] != QUALITY_BANDS[:2] or dataset.shape != shape:
            raise InputError(
                f"{path}: holds {dataset.width}x{dataset.height} pixels of "
                f"{', '.join(text or 'unnamed' for text in dataset.descriptions)}; "
                f"{', '.join(QUALITY_BANDS[:2])} on the scene's grid are needed; clear the scene again"
            )
        values = read_overview(dataset, dataset.indexes, height, width, classes=True).astype(np.float32)
        if dataset.nodata is not None:
            values[values == dataset.nodata] = np.nan
        opacity, uncertainty = values[:2]
        source = np.rint(values[2]) if len(values) > 2 else np.where(opacity > 0, np.float32(1), opacity)
        tags = dataset.tags()
    return Quality(opacity, uncertainty, source, named_references(tags))
