"""BigEarthNet as it is distributed: folders of version 1 or 2 with Sentinel-1, or an LMDB by the rico-hdl encoder.

Source: Sumbul et al. 2019 and 2021 (version 1, BigEarthNet-MM), Clasen et al. 2024 (version 2, reBEN).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import rasterio
from numpy.typing import NDArray
from tifffile import COMPRESSION, TiffFile

from unclouded.bands import BANDS, L2A
from unclouded.data.archive import SCHEMA, VALUES, decode, open_values
from unclouded.data.bigearthnet_lists import V2_CLEAR, acquisition_of, read_v1, read_v2
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
_PATCH = re.compile(r"_\d+_\d+$")
_FOLDERS = {"S1": ("BigEarthNet-S1-v1.0", "BigEarthNet-S1"), "S2": ("BigEarthNet-v1.0", "BigEarthNet-S2")}


class _Place(NamedTuple):
    """Where a patch and its radar are: the folders that hold theirs, or the LMDB that holds both."""

    optical: str
    radar: str | None
    encoded: bool = False


class Listing(NamedTuple):
    """The patches or radar images that are there; in Arrow, since as Python strings 590,326 of each take 250 MB.

    Attributes:
        names: sorted.
        places: for each name the index of its folder.
        folders: those that hold them; one LMDB holds all of its own.
    """

    names: pa.Array
    places: pa.Array
    folders: list[str]


class Patches(Sequence[Job]):
    """The patches of a data set in order of their names; a job is made when it is asked for, to keep memory flat.

    Attributes:
        table: their rows (`archive.SCHEMA`).
    """

    def __init__(self, table: pa.Table, optical: Listing, radar: Listing, encoded: bool) -> None:
        self.table = table
        self._optical, self._radar, self._encoded = optical, radar, encoded
        self._places = [
            listing.places.take(pc.index_in(table[column].combine_chunks(), value_set=listing.names))
            for listing, column in ((optical, "patch_id"), (radar, "s1_name"))
        ]

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @overload
    def __getitem__(self, index: int) -> Job: ...
    @overload
    def __getitem__(self, index: slice) -> list[Job]: ...
    def __getitem__(self, index: int | slice) -> Job | list[Job]:
        if isinstance(index, int):
            return self[index : index + 1][0]
        start, stop, step = index.indices(len(self))
        count = max(0, stop - start)
        rows = self.table.slice(start, count).to_pylist()[::step]
        places = [part.slice(start, count).to_pylist()[::step] for part in self._places]
        return [
            Job(
                row["patch_id"],
                row,
                _Place(
                    self._optical.folders[optical],
                    None if radar is None else self._radar.folders[radar],
                    self._encoded,
                ),
            )
            for row, optical, radar in zip(rows, *places, strict=True)
        ]


def jobs(source: Path, *, note: Callable[[str], None] = lambda text: None) -> Patches:
    """List the patches of a data set, in order of their names.

    Args:
        source: the folder of the patches (v1), of the acquisitions (v2), of an LMDB, or one that holds these folders
            under their official names; the lists are in it, beside it or, for v1, in `bigearthnet-common`.
        note: told what the lists and the folder do not agree on.

    Raises:
        FileError: the folder or a list is missing or damaged.
        InputError: there is no patch.
    """
    if not source.is_dir():
        found = "is a file, not a folder: unpack it first" if source.is_file() else "no such folder"
        raise FileError(f"{source}: {found}; give the folder that the archives of BigEarthNet unpack to")
    encoded = (source / VALUES).is_file()
    optical, radar = (_encoded(source, kind) if encoded else _folders(source, kind, note) for kind in ("S2", "S1"))
    if not len(optical.names):
        raise InputError(
            f"{source}: holds no patch such as S2A_MSIL2A_20170617T113321_36_85; "
            "give the folder that the archives of BigEarthNet unpack to"
        )
    v2 = next((place for place in (source, source.parent) if (place / V2_CLEAR).is_file()), None)
    table = read_v2(v2) if v2 else read_v1(source)
    # Each copy of a whole table takes 90 MB: none is made that changes nothing.
    there = pc.is_in(table["patch_id"], value_set=optical.names)
    if absent := len(there) - pc.sum(there).as_py():
        note(f"the official lists name {absent} patches that are not in {source}")
        table = table.filter(there)
    unlisted = optical.names.filter(pc.invert(pc.is_in(optical.names, value_set=table["patch_id"]))).to_pylist()
    if unlisted:
        note(
            f"{len(unlisted)} patches in {source}, such as {unlisted[0]}, are in no official list: no domain, no split"
        )
        unknown = pa.Table.from_pylist(list(map(_unlisted, unlisted)), SCHEMA)
        table = pa.concat_tables([table, unknown]).sort_by("patch_id")
    patches = Patches(table.combine_chunks(), optical, radar, encoded)
    # Arrow keeps what reading the lists took for as long as the packing goes on, unless it is told not to.
    pa.default_memory_pool().release_unused()
    return patches


def load(job: Job) -> PatchRecord:
    """Read one patch with its radar and check them.

    Raises:
        FileError: a file is missing or damaged.
        InputError: a band has another shape, data type, grid or label than BigEarthNet's.
    """
    place: _Place = job.source
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


def _folders(source: Path, kind: str, note: Callable[[str], None]) -> Listing:
    """Find patches with the folders that hold them, the first where there are several; acquisitions are looked into."""
    beside = [source.parent / name for name in _FOLDERS[kind]]
    inside = [source / name for name in _FOLDERS[kind]]
    names: list[str] = []
    places: list[int] = []
    folders: list[str] = []
    for place in (source, *inside, *beside):
        if place.is_dir():
            folders.append(str(place))
            whole = len(folders) - 1
            for folder in _subfolders(place, kind):
                # An acquisition of v2 holds patches of its own name and two numbers; a patch is not looked into, there
                # are 590,326 of them.
                inner = [] if _PATCH.search(folder) else list(_subfolders(place / folder, kind))
                if inner:
                    folders.append(os.path.join(place, folder))
                names += inner or [folder]
                places += [len(folders) - 1] * len(inner) or [whole]
        if names:
            break
    found = pa.table({"name": pa.array(names, pa.string()), "place": pa.array(places, pa.int32())})
    found = found.take(pc.sort_indices(found, [("name", "ascending"), ("place", "ascending")])).combine_chunks()
    sorted_names = found["name"].combine_chunks()
    first = pa.array([True] * min(1, len(names)), pa.bool_())
    if len(names) > 1:
        first = pa.concat_arrays([first, pc.not_equal(sorted_names[1:], sorted_names[:-1])])
    if twice := sorted_names.filter(pc.invert(first)):
        note(f"{len(twice)} patches are in {source} twice, such as {twice[0]}: the one in the first folder is taken")
    found = found.filter(first)
    return Listing(found["name"].combine_chunks(), found["place"].combine_chunks(), folders)


def _subfolders(place: Path, kind: str) -> Iterator[str]:
    with os.scandir(place) as entries:
        yield from (entry.name for entry in entries if entry.name.startswith(kind) and entry.is_dir())


def _encoded(source: Path, kind: str) -> Listing:
    with open_values(source) as environment, environment.begin() as transaction:
        keys = (key.decode(errors="replace") for key in transaction.cursor().iternext(keys=True, values=False))
        names = pa.array((key for key in keys if key.startswith(kind)), pa.string())
    return Listing(names.sort(), pa.repeat(0, len(names)).cast(pa.int32()), [str(source)])


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
    """Read the bands of a patch by name, and the one grid that they lie on (`_read_tiff`)."""
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

    Most files are stored plainly, and are read by tifffile in a fifth of the time that GDAL takes to open one.
    """
    if (size := path.stat().st_size) > _LARGEST:
        raise ValueError(f"{size} bytes; {_LARGEST} at most are accepted")
    with TiffFile(BytesIO(path.read_bytes())) as file:
        page = file.pages.first
        # Before GDAL sees it: the header of a small file may claim bands that take gigabytes.
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


def _unlisted(patch: str) -> dict[str, Any]:
    return {
        "patch_id": patch,
        "labels": [],
        "split": "",
        "country": "",
        "s1_name": None,
        "s2v1_name": None,
        "contains_seasonal_snow": False,
        "contains_cloud_or_shadow": False,
        "domain": "",
        "acquisition": acquisition_of(patch),
        "level": "L2A",
        "clear_id": None,
    }
