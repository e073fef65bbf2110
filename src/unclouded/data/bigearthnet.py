"""BigEarthNet as it is distributed: folders of version 1 or 2 with Sentinel-1, or an LMDB by the rico-hdl encoder.

Source: Sumbul et al. 2019 and 2021 (version 1, BigEarthNet-MM), Clasen et al. 2024 (version 2, reBEN).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, overload

import pyarrow as pa
import pyarrow.compute as pc

from unclouded.data.archive import SCHEMA, VALUES, open_values, table_row
from unclouded.data.bigearthnet_lists import V2_CLEAR, acquisition_of, read_v1, read_v2
from unclouded.data.bigearthnet_patch import PatchLocation
from unclouded.data.packing import Job
from unclouded.errors import FileError, InputError

_PATCH = re.compile(r"_\d+_\d+$")
_FOLDERS = {"S1": ("BigEarthNet-S1-v1.0", "BigEarthNet-S1"), "S2": ("BigEarthNet-v1.0", "BigEarthNet-S2")}


class Listing(NamedTuple):
    """Names of patches or radar images; in Arrow, since 590,326 of each take 250 MB as Python strings.

    Attributes:
        names: sorted.
        places: for each name the index of its folder.
        folders: paths of the folders, or of the one LMDB.
    """

    names: pa.Array
    places: pa.Array
    folders: list[str]


class Patches(Sequence[Job]):
    """The patches of a data set in order of their names; jobs are made on access, so that memory use is constant.

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
                PatchLocation(
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
        note: called with each disagreement between the lists and the folder.

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
    # A copy of the table takes 90 MB, so it is filtered only if that removes rows.
    present = pc.is_in(table["patch_id"], value_set=optical.names)
    if absent := len(present) - pc.sum(present).as_py():
        note(f"the official lists name {absent} patches that are not in {source}")
        table = table.filter(present)
    unlisted = optical.names.filter(pc.invert(pc.is_in(optical.names, value_set=table["patch_id"]))).to_pylist()
    if unlisted:
        note(
            f"{len(unlisted)} patches in {source}, such as {unlisted[0]}, are in no official list: no domain, no split"
        )
        unknown = pa.Table.from_pylist(list(map(_unlisted, unlisted)), SCHEMA)
        table = pa.concat_tables([table, unknown]).sort_by("patch_id")
    patches = Patches(table.combine_chunks(), optical, radar, encoded)
    # Arrow would keep the memory in which the lists were read for as long as packing takes.
    pa.default_memory_pool().release_unused()
    return patches


def _folders(source: Path, kind: str, note: Callable[[str], None]) -> Listing:
    """Find patches, in acquisition folders too, and their folder: the first one if there are several."""
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
                # An acquisition folder of v2 holds patches named after it with two numbers. The folders of patches
                # themselves are not listed, since there are 590,326.
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


def _unlisted(patch: str) -> dict[str, Any]:
    return table_row(patch, acquisition=acquisition_of(patch), level="L2A")
