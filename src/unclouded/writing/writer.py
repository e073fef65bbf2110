"""Write scenes strip by strip, and make cloud-optimised GeoTIFFs (COG) of the strips; every window is read back."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.io import DatasetWriter
from rasterio.shutil import copy

from unclouded.errors import FileError
from unclouded.reading.files.raster import FAULTS, window_of
from unclouded.reading.info import SceneInfo
from unclouded.reflectance import nothing
from unclouded.tiles import Box
from unclouded.writing.overviews import Reduction, sizes, write_overview

BLOCK = 512
"""Side in pixels of the blocks of the files written."""

CACHE = 208 * 2**20
"""Bytes that GDAL may keep of blocks read and to be written: three rows of blocks of a quarter of a Sentinel-2 tile in
12 bands, so that each is decoded once for the tiles that see it."""

_COG_CACHE = 128 * 2**20
"""The same while a COG is made: more takes as long (10,980 x 10,980 x 12 real pixels)."""

_CHECKERS = 2
"""Threads that read a finished file back, each a strip."""

_ENVIRONMENT = {"GDAL_CACHEMAX": CACHE, "GDAL_PAM_ENABLED": False}

COG: dict[str, Any] = {
    "driver": "COG",
    "BLOCKSIZE": BLOCK,
    "COMPRESS": "DEFLATE",
    # With the predictor a higher level takes twice the time for 1 % less space (3,072 x 3,072 x 12 real pixels).
    "LEVEL": 1,
    "PREDICTOR": "YES",
    "BIGTIFF": "IF_SAFER",
    "NUM_THREADS": "ALL_CPUS",
}
"""How COGs are made: GDAL's options."""


@dataclass(frozen=True)
class Profile:
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
        colours: red, green and blue, 0 to 255, of each value, if the one band holds classes.
        overviews: how pixels become one of an overview; an average of classes would be another class.
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
    colours: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    overviews: Reduction = "AVERAGE"

    @classmethod
    def of_grid(cls, grid: SceneInfo, **layers: Any) -> Profile:  # noqa: ANN401 (the other attributes)
        """Describe a file of `layers`, the attributes from `dtype` on, with the grid of a scene."""
        return cls(grid.width, grid.height, grid.crs, grid.transform, **layers)

    def on(self, grid: SceneInfo) -> Profile:
        """The same on another grid, which may reach beyond this one: so there is always a DN for no data."""
        empty = nothing(self.dtype, self.nodata)
        place = {"width": grid.width, "height": grid.height, "crs": grid.crs, "transform": grid.transform}
        return replace(self, nodata=empty, **place)


@dataclass(frozen=True)
class Strip:
    """Rows of a scene in a file of their own.

    Attributes:
        path: of the file, a tiled GeoTIFF without a place on the ground.
        box: what it holds of the scene: rows over the whole width.
        checksums: of the windows written, which cover it once.
    """

    path: Path
    box: Box
    checksums: Mapping[Box, int]

    def intact(self) -> bool:
        """Whether every window reads back as written."""
        try:
            with rasterio.Env(GDAL_CACHEMAX=CACHE), rasterio.open(self.path, driver="GTiff") as file:
                return all(
                    checksum(file.read(window=window_of(box.within(self.box)))) == expected
                    for box, expected in self.checksums.items()
                )
        except FAULTS:
            return False


class StripWriter:
    """Takes the windows of one strip. A checksum of each is kept: a full disk can lose blocks without an error."""

    def __init__(self, path: Path, profile: Profile, box: Box, output: str) -> None:
        """Start the file `path` for the strip `box` of a scene with `profile`; errors name the `output`.

        Raises:
            FileError: if the file cannot be made.
        """
        self._path, self._box, self._output = path, box, output
        self._checksums: dict[Box, int] = {}
        with environment(output):
            self._file = _open_plain(path, profile, box.height, box.width)

    def write(self, box: Box, pixels: NDArray[Any]) -> None:
        """Write `pixels` (bands, height, width) at `box` of the scene. Windows do not overlap.

        Raises:
            FileError: if the disk is full.
        """
        self._checksums[box] = checksum(pixels)
        with environment(self._output):
            self._file.write(pixels, window=window_of(box.within(self._box)))

    def finish(self) -> Strip:
        """Close the file, have it on the disk and compare it with what was written.

        Raises:
            FileError: if the disk is full or the file does not read back as written.
        """
        with environment(self._output):
            self._file.close()
            with self._path.open("rb") as file:
                os.fsync(file.fileno())
            strip = Strip(self._path, self._box, self._checksums)
            if not strip.intact():
                raise _not_as_written(self._output)
        return strip

    def close(self) -> None:
        """Close the file without having finished it."""
        with environment(self._output):
            self._file.close()


def write_cog(
    path: Path,
    profile: Profile,
    strips: Sequence[Strip],
    output: str,
    checked: Callable[[int], None] = lambda pixels: None,
) -> None:
    """Make a COG of strips that lie in its folder, have it on the disk and compare every window with what was written.

    Args:
        path: of the COG.
        profile: of the scene.
        strips: cover the scene once.
        output: how errors call it.
        checked: called with the number of pixels of each window compared.

    Raises:
        FileError: if the disk is full or the file does not read back as written.
    """
    mosaic = path.with_suffix(".vrt")
    with environment(output), rasterio.Env(GDAL_CACHEMAX=_COG_CACHE):
        write_mosaic(mosaic, profile, strips)
        overviews = _write_overviews(mosaic, profile)
        copy(mosaic, path, **COG, OVERVIEWS="FORCE_USE_EXISTING")
        for file in (mosaic, *overviews):
            file.unlink()
        with path.open("rb") as stream:
            os.fsync(stream.fileno())
        with ThreadPoolExecutor(_CHECKERS) as threads:
            for pixels, same in threads.map(partial(_same, path), strips):
                if not same:
                    raise _not_as_written(output)
                checked(pixels)


def _open_plain(path: Path, profile: Profile, height: int, width: int) -> DatasetWriter:
    """Start a file for pixels that are read a few times before a COG is made of them: compressing takes longer."""
    return rasterio.open(
        path,
        "w",
        driver="GTiff",
        width=width,
        height=height,
        count=len(profile.descriptions),
        dtype=profile.dtype,
        tiled=True,
        blockxsize=BLOCK,
        blockysize=BLOCK,
        # By bands, because overviews are made band by band.
        interleave="band",
        # Where nothing is replaced, no quality lies on the disk.
        sparse_ok=True,
        bigtiff="IF_SAFER",
        # The place does not matter; without one there are warnings.
        crs=profile.crs,
        transform=profile.transform,
    )


def _write_overviews(mosaic: Path, profile: Profile) -> list[Path]:
    """Make the overviews of a raster in GDAL's virtual format, beside it, and have it name them.

    GDAL would decode all of it again for them, and take three times as long.
    """
    made: list[Path] = []
    for height, width in sizes(profile.height, profile.width, BLOCK):
        path = mosaic.with_suffix(f".{len(made)}.tif")
        with rasterio.open(made[-1] if made else mosaic) as finer, _open_plain(path, profile, height, width) as file:
            write_overview(finer, file, profile.nodata, profile.overviews)
        made.append(path)
    described = ElementTree.parse(mosaic)
    for band in described.iter("VRTRasterBand"):
        for path in made:
            overview = ElementTree.SubElement(band, "Overview")
            ElementTree.SubElement(overview, "SourceFilename", relativeToVRT="1").text = path.name
            ElementTree.SubElement(overview, "SourceBand").text = band.get("band")
    described.write(mosaic)
    return made


def checksum(pixels: NDArray[Any], start: int = 0) -> int:
    """CRC-32 of an array's values; `start` is that of what came before them."""
    return zlib.crc32(np.ascontiguousarray(pixels).view(np.uint8).data, start)


def _same(path: Path, strip: Strip) -> tuple[int, bool]:
    """Count the pixels of a strip, and tell whether a COG holds them as they were written."""
    with rasterio.open(path) as file:
        same = (checksum(file.read(window=window_of(box))) == expected for box, expected in strip.checksums.items())
        return strip.box.height * strip.box.width, all(same)


def write_mosaic(path: Path, profile: Profile, strips: Sequence[Strip]) -> None:
    """Show strips as one raster, in GDAL's virtual format: GDAL copies from it without a file of all of them."""
    with rasterio.open(
        path,
        "w",
        driver="VRT",
        width=profile.width,
        height=profile.height,
        count=len(profile.descriptions),
        dtype=profile.dtype,
        crs=profile.crs,
        transform=profile.transform,
        nodata=profile.nodata,
    ) as file:
        file.descriptions = profile.descriptions
        if profile.scales:
            file.scales = profile.scales
        if profile.offsets:
            file.offsets = profile.offsets
        file.update_tags(**profile.tags)
        if profile.colours:
            file.write_colormap(1, profile.colours)
        for band in file.indexes:
            sources = {f"source_{number}": _source(strip, band) for number, strip in enumerate(strips)}
            file.update_tags(band, ns="new_vrt_sources", **sources)


def _source(strip: Strip, band: int) -> str:
    size = f'xSize="{strip.box.width}" ySize="{strip.box.height}"'
    return (
        f'<SimpleSource><SourceFilename relativeToVRT="1">{strip.path.name}</SourceFilename>'
        f'<SourceBand>{band}</SourceBand><SrcRect xOff="0" yOff="0" {size}/>'
        f'<DstRect xOff="{strip.box.column}" yOff="{strip.box.row}" {size}/></SimpleSource>'
    )


def _not_as_written(output: str) -> FileError:
    return FileError(f"{output}: does not read back as written; check the disk and its free space")


@contextmanager
def environment(output: str) -> Iterator[None]:
    """GDAL as files are written with it, whose faults are errors of `output`."""
    try:
        with rasterio.Env(**_ENVIRONMENT):
            yield
    except (*FAULTS, OSError) as error:
        if isinstance(error, FileError):
            raise
        # Rasterio's own message only refers to GDAL's, which says why.
        reason = " ".join(str(error.__cause__ or error).split())
        raise FileError(f"{output}: cannot be written ({reason}); check the disk and its free space") from error
