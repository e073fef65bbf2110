"""Write scenes as cloud-optimised GeoTIFFs (COG) with flat memory, and read every block back."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.shutil import copy
from rasterio.windows import Window

from unclouded.errors import FileError
from unclouded.scene.raster import FAULTS
from unclouded.scene.tiles import Box

BLOCK = 512
"""Side in pixels of the blocks of the files written."""

CACHE = 256 * 2**20
"""Bytes that GDAL may keep of blocks read and to be written."""

_COG: dict[str, Any] = {
    "driver": "COG",
    "BLOCKSIZE": BLOCK,
    "COMPRESS": "DEFLATE",
    # With the predictor a higher level takes twice the time for 1 % less space (3,072 x 3,072 x 12 real pixels).
    "LEVEL": 1,
    "PREDICTOR": "YES",
    "OVERVIEWS": "IGNORE_EXISTING",
    "OVERVIEW_RESAMPLING": "AVERAGE",
    "BIGTIFF": "IF_SAFER",
    "NUM_THREADS": "ALL_CPUS",
}


@dataclass(frozen=True)
class Layout:
    """What a file to be written holds, apart from its pixels.

    Attributes:
        width: columns.
        height: rows.
        crs: coordinate reference system.
        transform: from pixel corners to coordinates.
        dtype: of every band.
        nodata: DN of pixels without data, or None.
        descriptions: one per band; their number is the number of bands.
        scales: GDAL scale of each band.
        offsets: GDAL offset of each band.
        tags: of the data set.
    """

    width: int
    height: int
    crs: CRS | None
    transform: Affine
    dtype: np.dtype[Any]
    nodata: float | None
    descriptions: tuple[str | None, ...]
    scales: tuple[float, ...] = ()
    offsets: tuple[float, ...] = ()
    tags: dict[str, str] = field(default_factory=dict)


class CogWriter:
    """Takes windows in any order, then makes a COG of them.

    The windows go to a tiled GeoTIFF, of which GDAL makes the COG. A checksum of each window is kept, because a full
    disk can leave blocks that read back as no-data without an error.
    """

    def __init__(self, path: Path, layout: Layout) -> None:
        self.path = path
        self._layout = layout
        self._draft = path.with_suffix(".draft.tif")
        self._checksums: dict[Box, int] = {}
        with _environment(path):
            self._file = rasterio.open(
                self._draft,
                "w",
                driver="GTiff",
                width=layout.width,
                height=layout.height,
                count=len(layout.descriptions),
                dtype=layout.dtype,
                crs=layout.crs,
                transform=layout.transform,
                nodata=layout.nodata,
                tiled=True,
                blockxsize=BLOCK,
                blockysize=BLOCK,
                # By bands, because overviews are made band by band: of a tile of 12 bands by pixels GDAL would read all
                # bands again for each of them.
                interleave="band",
                compress="deflate",
                zlevel=1,
                bigtiff="IF_SAFER",
            )
            self._file.descriptions = layout.descriptions
            if layout.scales:
                self._file.scales = layout.scales
            if layout.offsets:
                self._file.offsets = layout.offsets
            self._file.update_tags(**layout.tags)

    def __enter__(self) -> CogWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._file.closed:
            with _environment(self.path):
                self._file.close()

    def write(self, box: Box, pixels: NDArray[Any]) -> None:
        """Write `pixels` (bands, height, width) at `box`. Windows do not overlap.

        Raises:
            FileError: if the disk does not take them.
        """
        self._checksums[box] = _checksum(pixels)
        with _environment(self.path):
            self._file.write(pixels, window=_window(box))

    def finish(self, checked: Callable[[int], None] = lambda pixels: None) -> Path:
        """Make the COG, compare every window with what was written, and return its path.

        Args:
            checked: called with the number of pixels of each window compared.

        Raises:
            FileError: if the disk is full or the file does not read back as written.
        """
        with _environment(self.path):
            self._file.close()
            copy(self._draft, self.path, **_COG)
            self._draft.unlink()
            with rasterio.open(self.path) as file:
                for box, checksum in self._checksums.items():
                    if _checksum(file.read(window=_window(box))) != checksum:
                        raise FileError(
                            f"{self.path.name}: does not read back as written; check the disk and its free space"
                        )
                    checked(box.height * box.width)
        return self.path


@contextmanager
def _environment(path: Path) -> Iterator[None]:
    try:
        with rasterio.Env(GDAL_CACHEMAX=CACHE, GDAL_PAM_ENABLED=False):
            yield
    except (*FAULTS, OSError) as error:
        if isinstance(error, FileError):
            raise
        # Rasterio's own message only refers to GDAL's, which says why.
        reason = " ".join(str(error.__cause__ or error).split())
        raise FileError(f"{path.name}: cannot be written ({reason}); check the disk and its free space") from error


def _checksum(pixels: NDArray[Any]) -> int:
    return zlib.crc32(np.ascontiguousarray(pixels).view(np.uint8).data)


def _window(box: Box) -> Window:
    return Window(box.column, box.row, box.width, box.height)
