"""Opening raster files and reading windows of them; every fault becomes an error of one line."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio._err import CPLE_BaseError
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from unclouded.errors import FileError, InputError
from unclouded.reading.files.other_files import LONGEST_START, other_kind
from unclouded.reading.files.remote import UNREAD, access_failure, request_start
from unclouded.reading.files.vrt import vrt_sources
from unclouded.tiles import Box

FAULTS = (RasterioError, CPLE_BaseError)
"""What rasterio raises when GDAL cannot read a file: its own errors, and, from some methods, GDAL's."""

ACCEPTED = "GeoTIFF, COG, JPEG 2000 or VRT"
LARGEST = 2**30
"""Pixels of the largest grid that is accepted: about 32,000 x 32,000, or nine Sentinel-2 tiles."""

_TIFF, _JPEG2000, VRT = "GTiff", "JP2OpenJPEG", "VRT"
_STARTS = {
    b"II*\0": _TIFF,
    b"MM\0*": _TIFF,
    b"II+\0": _TIFF,
    b"MM\0+": _TIFF,
    b"\0\0\0\x0cjP  ": _JPEG2000,
    b"\xffO\xffQ": _JPEG2000,
}
"""First bytes of the accepted files, and GDAL's driver for each; no other driver is ever used for a user's file."""

_REMOTE = ("http://", "https://", "s3://", "gs://")
_REMOTE_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_HTTP_MAX_RETRY": "3",
    "GDAL_HTTP_RETRY_DELAY": "1",
    "GDAL_HTTP_TIMEOUT": "60",
}
"""GDAL's options unless the environment sets them. The delay, in seconds, doubles with each retry."""

_OVERVIEW_CACHE = 128 * 2**20
"""Bytes that GDAL may keep of blocks while it makes a whole image small."""

_SPARSEST = 2000
"""Raw bytes per stored byte beyond which a large local file cannot hold the image that its header claims."""


def is_remote(path: str) -> bool:
    """Tell whether `path` is an address rather than a local file."""
    return path.startswith(_REMOTE)


def shown(path: str) -> str:
    """Return `path` as errors show it: an address without its query, which may hold a signature."""
    return split_address(path)._replace(query="", fragment="").geturl() if is_remote(path) else path


def split_address(path: str) -> SplitResult:
    """Take an address apart; InputError when it is not one."""
    try:
        return urlsplit(path)
    except ValueError as error:
        raise InputError(f"{path}: is not an address ({error}); check it") from error


def environment(path: str) -> rasterio.Env:
    """Return the GDAL settings under which `path` is opened and read."""
    options = _REMOTE_OPTIONS if is_remote(path) else {}
    return rasterio.Env(**{name: value for name, value in options.items() if name not in os.environ})


def open_raster(path: str) -> DatasetReader:
    """Open a GeoTIFF, COG or JPEG 2000 file; FileError when it is missing, empty, damaged or something else."""
    name, local = shown(path), not is_remote(path) and not path.startswith("/vsi")
    driver = _driver_of(path) if local else _JPEG2000 if split_address(path).path.lower().endswith(".jp2") else _TIFF
    try:
        with environment(path), warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            dataset: DatasetReader = rasterio.open(path, driver=driver)
    except (*FAULTS, ValueError) as error:
        if local:
            raise FileError(f"{name}: cannot be opened: cut short or damaged; copy or download it again") from error
        raise FileError(f"{name}: {_remote_failure(path, error)}") from error
    try:
        _check_size(dataset, name, Path(path).stat().st_size if local and driver != VRT else None)
        _check_metadata(dataset, name)
    except FAULTS as error:
        dataset.close()
        raise FileError(f"{name}: cannot be opened: cut short or damaged; copy or download it again") from error
    except BaseException:
        dataset.close()
        raise
    return dataset


def window_of(box: Box) -> Window:
    """A box as rasterio's `Window`."""
    return Window(box.column, box.row, box.width, box.height)


def read_window(dataset: DatasetReader, indexes: Sequence[int], window: Window) -> NDArray[np.generic]:
    """Read bands (C, h, w) of a window inside the dataset; FileError when its blocks are missing or damaged."""
    try:
        with environment(dataset.name):
            pixels: NDArray[np.generic] = dataset.read(list(indexes), window=window)
    except FAULTS as error:
        place = f"rows {window.row_off} to {window.row_off + window.height}"
        raise _unread(dataset.name, f"{place} cannot be read", error) from error
    return pixels


def read_overview(
    dataset: DatasetReader, indexes: Sequence[int], height: int, width: int, *, classes: bool = False
) -> NDArray[np.generic]:
    """Read whole bands (C, height, width) at a smaller size: averaged, or the nearest pixels of `classes`.

    Overviews are used where they exist; otherwise all blocks are read, but never held in memory together.

    Raises:
        FileError: blocks are missing or damaged.
    """
    try:
        with rasterio.Env(GDAL_CACHEMAX=_OVERVIEW_CACHE), environment(dataset.name):
            pixels: NDArray[np.generic] = dataset.read(
                list(indexes),
                out_shape=(len(indexes), height, width),
                resampling=Resampling.nearest if classes else Resampling.average,
            )
    except FAULTS as error:
        raise _unread(dataset.name, "cannot be read", error) from error
    return pixels


def reduced_size(height: int, width: int, side: int) -> tuple[int, int]:
    """Rows and columns of an image that is reduced to `side` pixels along its longer side, if it is larger."""
    factor = max(1.0, max(height, width) / side)
    return max(1, round(height / factor)), max(1, round(width / factor))


def missing_file(path: str) -> FileError:
    """The error for a path at which there is no file."""
    bare, hint = path.strip("\r\n\t '\""), "check the path"
    if bare != path and Path(bare).exists():
        hint = f"give {bare}, without the line break or quotes around it"
    elif path.lower().startswith("file:"):
        hint = f"give the path alone, {unquote(split_address(path).path)}"
    elif not path:
        hint = "it is empty, as a variable that is not set; give the path of a file"
    return FileError(f"{path if path and bare == path else repr(path)}: no such file or folder; {hint}")


def _driver_of(path: str) -> str:
    if not path:
        raise missing_file(path)  # which as a Path is the folder one is in
    file = Path(path)
    try:
        with file.open("rb") as stream:
            start = stream.read(max(16, LONGEST_START))
    except (FileNotFoundError, ValueError) as error:
        raise missing_file(path) from error
    except OSError as error:
        raise FileError(f"{path}: cannot be opened: {error.strerror or error}") from error
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise FileError(
            f"{path!a}: its name holds bytes that are no UTF-8, which alone GDAL accepts; rename it, or set LC_ALL to "
            "a locale with UTF-8"
        ) from error
    if not start:
        raise FileError(f"{path}: is empty (0 bytes); copy or download it again")
    for first, driver in _STARTS.items():
        if start.startswith(first):
            return driver
    if file.suffix.lower() == ".vrt" and start.startswith(b"<VRTDataset"):
        for source in dict.fromkeys(source for band in vrt_sources(path) for source in band):
            if Path(source).suffix.lower() == ".vrt":
                raise InputError(
                    f"{path}: a VRT of a VRT ({source}); one of GeoTIFFs is accepted; run gdal_translate on it"
                )
            _driver_of(source)
        return VRT
    if known := other_kind(path, start):
        raise FileError(f"{path}: is not a {ACCEPTED} file but {known}")
    raise FileError(f"{path}: is not a {ACCEPTED} file (it starts with {start[:8]!r}); give one")


def _unread(path: str, what: str, error: Exception) -> FileError:
    if is_remote(path):
        return FileError(f"{shown(path)}: {_remote_failure(path, error)}")
    return FileError(f"{path}: {what}: cut short or damaged; copy or download it again")


def _remote_failure(path: str, error: Exception) -> str:
    """The end of the error message for a remote file, after its name: why it cannot be read, and what to do."""
    if not path.startswith(("http://", "https://")):
        credentials = " and the credentials in the environment" if is_remote(path) else ""
        return f"cannot be opened ({_first_line(error)}); check it{credentials}, or download it"
    try:
        response = request_start(path, LONGEST_START)
    except UNREAD as failure:
        return str(access_failure(failure))
    if not response.start.startswith(tuple(_STARTS)):
        # GDAL's own message would show the whole address with its signature.
        return f"is not a {ACCEPTED} file but " + (
            other_kind(split_address(path).path, response.start) or f"starts with {response.start[:8]!r}; give one"
        )
    if not response.supports_ranges:
        return "its server gives files as a whole alone, not parts of them (HTTP ranges); download it, and give that"
    return "broke off while it was read, or is damaged; run the same command again, or download it"


def _check_metadata(dataset: DatasetReader, name: str) -> None:
    """Refuse a file whose descriptions, tags, coordinate reference system or colours cannot be decoded."""
    try:
        _ = dataset.descriptions, dataset.tags(), dataset.crs, dataset.colorinterp
    except (*FAULTS, ValueError) as error:
        raise FileError(
            f"{name}: its metadata cannot be read ({_first_line(error)}): damaged; copy or download it again"
        ) from error


def _check_size(dataset: DatasetReader, name: str, stored: int | None) -> None:
    """Refuse, without reading pixels, a file that is too large, or whose size in bytes cannot hold its pixels."""
    height, width = dataset.shape
    raw = height * width * sum(np.dtype(t).itemsize if t in np.sctypeDict else 4 for t in dataset.dtypes)
    if height * width > LARGEST:
        raise InputError(
            f"{name}: {width} x {height} pixels x {dataset.count} bands; up to {LARGEST:,} pixels are accepted; "
            f"cut it into parts first, for example with gdal_translate -srcwin"
        )
    if stored is None:
        return
    if raw > max(_SPARSEST * stored, 10**8):
        raise FileError(
            f"{name}: {stored:,} bytes cannot hold the {width} x {height} pixels x {dataset.count} bands it claims; "
            "copy or download it again"
        )
    end = _end_of_blocks(dataset)
    if end > stored:
        raise FileError(f"{name}: cut short: has {stored:,} bytes of at least {end:,}; copy or download it again")


def _end_of_blocks(dataset: DatasetReader) -> int:
    """Return the byte after the furthest block of the last row of blocks, which GeoTIFF writers write last."""
    if dataset.driver != "GTiff":
        return 0
    end = 0
    for index in dataset.indexes:
        high, wide = dataset.block_shapes[index - 1]
        row = (dataset.height - 1) // high
        for column in range((dataset.width - 1) // wide + 1):
            place = dataset.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=index)
            size = dataset.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=index)
            if place and size:
                end = max(end, int(place) + int(size))
    return end


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
