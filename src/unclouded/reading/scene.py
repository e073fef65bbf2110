"""An open scene: windows of all its bands on one grid, that of the finest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from rasterio.io import DatasetReader
from rasterio.windows import Window

from unclouded.reading.files.pixels import read_unmasked, read_unmasked_overview
from unclouded.reading.grids.grid import Resampled
from unclouded.reading.info import SceneInfo
from unclouded.reading.source import Source


class Scene:
    """An open scene; use it as a context manager. `info` describes it, `read` hands out windows."""

    def __init__(
        self,
        info: SceneInfo,
        source: Source,
        datasets: dict[str, DatasetReader],
        again: Callable[[Sequence[str], SceneInfo], Scene | None],
    ) -> None:
        self.info = info
        self._datasets = datasets
        self._again = again
        self._positions = {
            path: [n for n, layer in enumerate(source.layers) if layer.path == path] for path in datasets
        }
        self._indexes = {
            path: [source.layers[n].index for n in positions] for path, positions in self._positions.items()
        }
        self.bring_to(info)

    def bring_to(self, grid: SceneInfo) -> None:
        """Hand out windows on the grid of another scene of the same area from now on."""
        info = self.info = replace(self.info, width=grid.width, height=grid.height, transform=grid.transform)
        self._resampled = {
            path: Resampled(dataset, info.transform, info.encoding.of_bands(self._positions[path]))
            for path, dataset in self._datasets.items()
            if dataset.transform != info.transform or dataset.shape != (info.height, info.width)
        }

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[np.generic]:
        """Read the window of DN (C, height, width) in the scene's own type; it must lie inside the grid.

        A pixel's value does not depend on the window in which it is read.

        Raises:
            FileError: a block is missing or damaged.
            ValueError: the window leaves the grid.
        """
        info = self.info
        info.check_window(row, column, height, width)
        out = np.empty((len(info.bands), height, width), info.dtype)
        for path, dataset in self._datasets.items():
            indexes = self._indexes[path]
            if path in self._resampled:
                out[self._positions[path]] = self._resampled[path].read(indexes, row, column, height, width)
            else:
                window = Window(column, row, width, height)
                out[self._positions[path]] = read_unmasked(dataset, indexes, window, info.encoding.nodata)
        return out

    def overview(self, bands: Sequence[str], height: int, width: int) -> NDArray[np.generic]:
        """Read bands (C, height, width) of the whole scene at a smaller size, from overviews where there are some.

        Raises:
            FileError: a block is missing or damaged.
        """
        wanted = [self.info.bands.index(band) for band in bands]
        out = np.empty((len(bands), height, width), self.info.dtype)
        for path, dataset in self._datasets.items():
            here = [(n, self._positions[path].index(at)) for n, at in enumerate(wanted) if at in self._positions[path]]
            if here:
                indexes = [self._indexes[path][position] for _, position in here]
                nodata = self.info.encoding.nodata
                out[[n for n, _ in here]] = read_unmasked_overview(dataset, indexes, height, width, nodata)
        return out

    def with_bands(self, bands: Sequence[str]) -> Scene | None:
        """Open the same source for other bands of it, brought to the grid of this scene.

        Returns:
            The other scene; None if the source does not hold all of the bands, or does not name its bands itself.

        Raises:
            InputError: as `open_scene`.
            FileError: as `open_scene`.
        """
        return self._again(bands, self.info)

    @property
    def files(self) -> tuple[str, ...]:
        """Paths or addresses, as GDAL knows them, of the files that are read."""
        return tuple(self._datasets)

    def close(self) -> None:
        """Close the scene's files."""
        for dataset in self._datasets.values():
            dataset.close()

    def __enter__(self) -> Scene:
        """Return the scene itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the scene's files."""
        self.close()
