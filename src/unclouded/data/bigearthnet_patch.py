"""Reading one patch of BigEarthNet with its radar: from its folder of GeoTIFFs, or from an LMDB by rico-hdl."""

from __future__ import annotations

import json
import re
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import rasterio
from numpy.typing import NDArray
from tifffile import COMPRESSION, TiffFile

from unclouded.bands import BANDS, L2A
from unclouded.data.archive import decode, open_values
from unclouded.data.labels import LABELS_19, LABELS_43
from unclouded.data.packing import Job, PatchRecord
from unclouded.errors import FileError, InputError

SIDE = 120
"""Pixels of 10 m along a patch."""

_SIDES = {band.name: SIDE * 10 // band.resolution for band in BANDS}

_RADAR = ("VV", "VH")

_PROJECTION = 3072
"""GeoTIFF's key of the projected coordinate system (OGC 19-008r4, 7.2.1)."""

_LARGEST = 2**20
"""Bytes of the largest file of a band that is read; uncompressed, a band takes 58,000."""

_V2 = re.compile(r"_N\d{4}_R\d{3}_T\w{5}_\d+_\d+$")
"""End of a name of version 2, where no file beside the bands holds the labels."""

_KNOWN = frozenset(LABELS_43) | frozenset(LABELS_19)


class PatchLocation(NamedTuple):
    """Location of a patch and its radar: their parent folders, or the LMDB that holds both (`encoded`)."""

    optical: str
    radar: str | None
    encoded: bool = False


def load(job: Job) -> PatchRecord:
    """Read one patch with its radar, and check them.

    Raises:
        FileError: a file is missing or damaged.
        InputError: a band has another shape, data type, grid or label than BigEarthNet's.
    """
    place: PatchLocation = job.source
    row = dict(job.row)
    if place.encoded:
        bands = _read_encoded(place.optical, job.patch_id)
        radar = _read_encoded(place.radar, row["s1_name"]) if place.radar else None
    else:
        bands, grid = _read_bands(Path(place.optical) / job.patch_id, L2A)
        radar = None
        if place.radar:
            radar, below = _read_bands(Path(place.radar) / row["s1_name"], _RADAR)
            if below != grid:
                raise InputError(f"{row['s1_name']}: is not on the grid of {job.patch_id}; fetch both from one release")
        labels = _labels(Path(place.optical) / job.patch_id)
        row["labels"] = row["labels"] if labels is None else labels
    _check(job.patch_id, bands, L2A, "uint16")
    values = {job.patch_id: bands}
    if radar is None:
        row["s1_name"] = None
    else:
        _check(row["s1_name"], radar, _RADAR, "float32")
        values[row["s1_name"]] = radar
    if unknown := [label for label in row["labels"] if label not in _KNOWN]:
        raise InputError(f"{job.patch_id}: label {unknown[0]!r} is of neither the 43 nor the 19 classes")
    return PatchRecord(values, row)


def _read_encoded(folder: str, key: str) -> dict[str, NDArray[Any]]:
    with open_values(Path(folder)) as environment, environment.begin() as transaction:
        value = transaction.get(key.encode())
    if value is None:
        raise FileError(f"{folder}: holds no {key!r}")
    try:
        return decode(value)
    except ValueError as error:
        raise FileError(f"{folder}: the value of {key!r} is not safetensors ({error})") from error


def _read_bands(folder: Path, names: tuple[str, ...]) -> tuple[dict[str, NDArray[Any]], tuple[float, ...]]:
    """Read the bands of a patch by name, and their common grid (see `_read_tiff`)."""
    bands, grids = {}, {}
    for name in names:
        path = folder / f"{folder.name}_{name}.tif"
        try:
            bands[name], grids[name] = _read_tiff(path)
        except Exception as error:
            # On damaged headers tifffile fails in many ways, IndexError and TypeError among them.
            what = "is missing" if not path.exists() else f"is damaged ({error})"
            raise FileError(f"{path}: {what}") from error
    if len(set(grids.values())) > 1:
        raise InputError(f"{folder}: its bands lie on different grids or in different coordinate systems")
    return bands, grids[names[0]]


def _read_tiff(path: Path) -> tuple[NDArray[Any], tuple[float, ...]]:
    """Read a band and its grid: EPSG code, left, top and width in metres.

    Most files are uncompressed; tifffile reads these in a fifth of the time that GDAL takes to open one.
    """
    if (size := path.stat().st_size) > _LARGEST:
        raise ValueError(f"{size} bytes; {_LARGEST} at most are accepted")
    with TiffFile(BytesIO(path.read_bytes())) as file:
        page = file.pages.first
        # Checked before GDAL opens it, since the header of a small file may claim bands of gigabytes.
        if max(page.shape) > SIDE:
            raise ValueError(f"{'x'.join(map(str, page.shape))} pixels; {SIDE}x{SIDE} at most are accepted")
        if page.compression == COMPRESSION.NONE:
            if sum(page.databytecounts) != page.nbytes:
                raise ValueError(f"{sum(page.databytecounts)} bytes for pixels of {page.nbytes}")
            keys = page.tags[34735].value
            epsg = dict(zip(keys[4::4], keys[7::4], strict=True))[_PROJECTION]
            (scale, *_), (_, _, _, left, top, _) = page.tags[33550].value, page.tags[33922].value
            return page.asarray(), (epsg, left, top, scale * page.shape[1])
    with rasterio.Env(GDAL_DISABLE_READDIR_ON_OPEN="EMPTY_DIR"), rasterio.open(path, driver="GTiff") as raster:
        epsg = raster.crs.to_epsg() if raster.crs else None
        if epsg is None:
            raise ValueError("has no EPSG code")
        grid = raster.transform
        return raster.read(1), (epsg, grid.c, grid.f, grid.a * raster.width)


def _check(name: str, bands: dict[str, NDArray[Any]], expected: tuple[str, ...], dtype: str) -> None:
    if set(bands) != set(expected):
        missing = ", ".join(sorted(set(expected) - set(bands))) or "none missing"
        raise InputError(f"{name}: has {', '.join(sorted(bands))}; {missing} of {', '.join(expected)}")
    for band, pixels in bands.items():
        side = _SIDES.get(band, SIDE)
        if pixels.shape != (side, side) or pixels.dtype != np.dtype(dtype):
            raise InputError(
                f"{name}: {band} is {pixels.dtype} of {'x'.join(map(str, pixels.shape))}; "
                f"{dtype} of {side}x{side} is accepted"
            )


def _labels(folder: Path) -> list[str] | None:
    """The labels of a patch of v1; those of v2 are in the table."""
    path = folder / f"{folder.name}_labels_metadata.json"
    try:
        labels = json.loads(path.read_bytes())["labels"]
        if not isinstance(labels, list):
            raise TypeError("its labels are no list")
    except FileNotFoundError as error:
        if _V2.search(folder.name):
            return None
        raise FileError(f"{path}: is missing") from error
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise FileError(f"{path}: is damaged ({error})") from error
    return [str(label) for label in labels]
