"""The official lists of BigEarthNet: which patches are cloudy or snowy, their splits, radar and country, as one table.

Version 1 has them as CSV files, beside the patches or in the package `bigearthnet-common`; version 2 as two Parquet
files, of which the second holds the patches with snow, cloud or shadow. No official split of version 1 holds a cloudy
patch, so domain X gets its own, by overpass (`split_by_overpass`).
"""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyarrow import csv

from unclouded.data.archive import SCHEMA
from unclouded.errors import FileError, InputError

CLOUDY, SNOWY, RADAR = "patches_with_cloud_and_shadow", "patches_with_seasonal_snow", "s1_s2_name_country_season"
_SPLITS = {"train": "train", "val": "validation", "test": "test"}
V2_CLEAR, V2_OTHER = "metadata.parquet", "metadata_for_patches_with_snow_cloud_or_shadow.parquet"

_OVERPASS = "^([^_]+_[^_]+_[^_]+)_.*"
_TIMED = r"([^_]+)_[^_]+_(\d{8})T(\d{5,6})_"
_SHARES = {"train": 0.70, "validation": 0.15, "test": 0.15}


def read_v1(folder: Path) -> pa.Table:
    """Read the lists of version 1 from `folder`, or from `bigearthnet-common` where they are not in it.

    Returns:
        One row for every patch in a list, sorted by `patch_id`, in `archive.SCHEMA`, with empty labels.

    Raises:
        FileError: there are no lists, or one of them is damaged.
        InputError: a list is not an official one.
    """
    radar = _read(folder, RADAR, "s1_name", "s2_name", "country", "season")
    cloudy, snowy = (_read(folder, name, "patch_id")["patch_id"] for name in (CLOUDY, SNOWY))
    members = {split: _read(folder, name, "patch_id")["patch_id"] for name, split in _SPLITS.items()}
    names = pa.chunked_array([radar["s2_name"], cloudy, snowy, *members.values()], pa.string()).unique().sort()
    known = pc.index_in(names, value_set=radar["s2_name"])
    split = pa.array([""] * len(names))
    for name, patches in members.items():
        split = pc.if_else(pc.is_in(names, value_set=patches), name, split)
    nothing = pa.nulls(len(names), pa.string())
    return _table(
        patch_id=names,
        labels=pa.ListArray.from_arrays(pa.array([0] * (len(names) + 1), pa.int32()), pa.array([], pa.string())),
        split=split,
        country=pc.fill_null(radar["country"].take(known), ""),
        s1_name=radar["s1_name"].take(known),
        s2v1_name=nothing,
        contains_seasonal_snow=pc.is_in(names, value_set=snowy),
        contains_cloud_or_shadow=pc.is_in(names, value_set=cloudy),
    )


def read_v2(folder: Path) -> pa.Table:
    """Read the two Parquet files of version 2 with their labels; otherwise as `read_v1`.

    Raises:
        FileError: one of them is missing or damaged.
        InputError: one of them lacks a column.
    """
    tables = []
    for name in (V2_CLEAR, V2_OTHER):
        path = folder / name
        try:
            found = pq.read_table(path)
        except FileNotFoundError as error:
            raise FileError(
                f"{path}: not found; version 2 needs both {V2_CLEAR} and {V2_OTHER} (the cloudy patches are only in "
                "the second), fetch it from where the data set is published"
            ) from error
        except (OSError, pa.ArrowException) as error:
            raise FileError(f"{path}: is not Parquet, or is cut short ({error}); fetch it again") from error
        if missing := [column for column in SCHEMA.names[:8] if column not in found.column_names]:
            raise InputError(f"{path}: has no column {', '.join(missing)}; give the official file of version 2")
        tables.append(found.select(SCHEMA.names[:8]).cast(pa.schema(list(SCHEMA)[:8])))
    table = pa.concat_tables(tables).sort_by("patch_id")
    return _table(**{name: table[name] for name in table.column_names})


def acquisition_of(patch: str) -> str:
    """The acquisition of a patch, such as `S2A_MSIL2A_20170613T101031`: its name up to the time."""
    return re.sub(_OVERPASS, r"\1", patch)


def overpass_of(patch: str) -> str:
    """Satellite, date, hour and minute of a patch's acquisition, the same for all tiles of an overpass.

    Version 1 adds a second for each further tile of an overpass, without carrying (T094159, T94160, T94161), and omits
    the leading zero of the hour, so that these names have the minute in common, and no more.
    """
    name = re.match(_TIMED, patch)
    return f"{name[1]}_{name[2]}T{name[3].zfill(6)[:4]}" if name else acquisition_of(patch)


def split_by_overpass(patches: Iterable[str]) -> dict[str, str]:
    """Split patches 70 / 15 / 15 so that every overpass, and so every acquisition, is in one split.

    Overpasses are assigned in descending order of patches (ties by name), each to the split that lacks most patches.
    """
    found = sorted(patches)
    counts = Counter(map(overpass_of, found))
    lacking = {split: share * len(found) for split, share in _SHARES.items()}
    chosen = {}
    for overpass, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        split = max(lacking, key=lambda name: lacking[name])
        lacking[split] -= count
        chosen[overpass] = split
    return {patch: chosen[overpass_of(patch)] for patch in found}


def counts(table: pa.Table) -> dict[str, int]:
    """Number of patches by domain (X, Y and the rest) and, of Y, by split."""
    domains = Counter(table["domain"].to_pylist())
    clear = table.filter(pc.equal(table["domain"], "Y"))
    return {"X": domains["X"], "Y": domains["Y"], "rest": domains[""]} | dict(Counter(clear["split"].to_pylist()))


def _table(**columns: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Add the columns of `archive.SCHEMA` that are not official, and the splits of domain X."""
    names, cloudy, snowy = (columns[n] for n in ("patch_id", "contains_cloud_or_shadow", "contains_seasonal_snow"))
    splits = split_by_overpass(names.filter(cloudy).to_pylist())
    place = pc.index_in(names, value_set=pa.array(list(splits), pa.string()))
    columns["split"] = pc.coalesce(pa.array(list(splits.values()), pa.string()).take(place), columns["split"])
    return pa.table(
        columns
        | {
            "domain": pc.if_else(cloudy, "X", pc.if_else(snowy, "", "Y")),
            "acquisition": pc.replace_substring_regex(names, _OVERPASS, r"\1"),
            "level": pa.array(["L2A"] * len(names)),
            "clear_id": pa.nulls(len(names), pa.string()),
        },
        schema=SCHEMA,
    )


def _read(folder: Path, name: str, *columns: str) -> pa.Table:
    path = _find(folder, name)
    try:
        table = csv.read_csv(path, csv.ReadOptions(column_names=columns))
    except (OSError, pa.ArrowException) as error:
        what = " ".join(str(error).split())
        raise FileError(f"{path}: cannot be read ({what}); fetch the official list again") from error
    table = table.filter(pc.not_equal(table[columns[0]], columns[0]))
    first = table[columns[0]].cast(pa.string())
    wrong = first.filter(pc.invert(pc.starts_with(first, "S")))
    if len(wrong):
        raise InputError(f"{path}: {wrong[0].as_py()[:80]!r} is not the name of a patch; fetch the official list again")
    return table


def _find(folder: Path, name: str) -> Path:
    package = importlib.util.find_spec("bigearthnet_common")
    places = [folder, folder.parent, *(Path(place) for place in (package and package.submodule_search_locations) or ())]
    for place in places:
        for ending in (".csv", ".csv.bz2"):
            if (place / f"{name}{ending}").is_file():
                return place / f"{name}{ending}"
    raise FileError(
        f"{folder}: holds no {name}.csv; put the official lists of BigEarthNet there, "
        "or install them: pip install 'unclouded[data]'"
    )
