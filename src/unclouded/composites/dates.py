"""The results of a series, open together on one grid: reflectance, uncertainty and source of each date."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader

from unclouded.errors import FileError, InputError
from unclouded.files import quality_path
from unclouded.reading.files.raster import open_raster, read_window, window_of
from unclouded.reading.grids.overlap import check_consistent
from unclouded.reading.reader import ReadOptions
from unclouded.reading.result_item import completed_by_item, item_time, read_item
from unclouded.reading.scene import Scene
from unclouded.reflectance import to_reflectance
from unclouded.sources import OBSERVED
from unclouded.tiles import Box

_IN_ONE_IMAGE = "one image is made of dates on one grid: give a --bbox or --geometry that all of them hold"

_LEAST = 1e-6
_UNKNOWN_ERROR = 1.0
"""Error of a filled pixel whose uncertainty is under `_LEAST`, since the weights have no fitted error head."""


@dataclass(frozen=True)
class DateWindow:
    """A window of a date.

    Attributes:
        reflectance: (C, h, w), NaN where there is no data.
        uncertainty: (h, w) in reflectance; 0 where observed, NaN where there is no data.
        observed: (h, w) pixels that were observed, not filled.
    """

    reflectance: NDArray[np.float32]
    uncertainty: NDArray[np.float32]
    observed: NDArray[np.bool_]


class OpenDate:
    """An open result with its quality.

    Attributes:
        path: of the result.
        info: of the result.
        time: of acquisition; None if unknown.
    """

    def __init__(self, path: Path, scene: Scene, quality: DatasetReader) -> None:
        self.path, self.info, self._scene, self._quality = path, scene.info, scene, quality
        self.time: datetime | None = item_time(read_item(path))

    def read(self, box: Box) -> DateWindow:
        """Read a window.

        Raises:
            FileError: it is damaged.
        """
        dn = self._scene.read(box.row, box.column, box.height, box.width)
        reflectance, valid = to_reflectance(dn, self.info.encoding)
        _, uncertainty, source = read_window(self._quality, [1, 2, 3], window_of(box)).astype(np.float32)
        valid = valid & np.isfinite(source)
        reflectance[:, ~valid] = np.nan
        observed = valid & (source == OBSERVED)
        uncertain = np.where(uncertainty > _LEAST, uncertainty, _UNKNOWN_ERROR)
        error = np.where(valid, np.where(observed, 0, uncertain), np.nan)
        return DateWindow(reflectance, error.astype(np.float32), observed)


@contextmanager
def open_dates(outputs: Sequence[Path], reading: ReadOptions) -> Iterator[list[OpenDate]]:
    """Open the results of a series, in order of time.

    Args:
        outputs: cleared files, with their quality beside them.
        reading: options for what the items do not state.

    Raises:
        InputError: they are not on one grid, or differ in their bands.
        FileError: a file is missing or damaged.
    """
    with ExitStack() as stack:
        dates = []
        for output in outputs:
            if not quality_path(output).is_file():
                raise FileError(f"{output}: {quality_path(output).name} is not beside it; run `unclouded series` again")
            scene = stack.enter_context(completed_by_item(output, reading).open(str(output)))
            quality = stack.enter_context(open_raster(str(quality_path(output))))
            if quality.count < 3:
                raise InputError(f"{output}: its quality has no source; clear it again with --overwrite")
            dates.append(OpenDate(output, scene, quality))
        for date in dates[1:]:
            check_consistent(date.info, dates[0].info, level=False, advice=_IN_ONE_IMAGE)
        last = datetime.max.replace(tzinfo=None)
        yield sorted(dates, key=lambda date: (date.time.replace(tzinfo=None) if date.time else last, date.path.name))
