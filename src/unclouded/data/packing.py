"""Packing of patches into an archive on all cores in constant memory; broken ones are listed, runs can be resumed."""

from __future__ import annotations

import itertools
import multiprocessing
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from numpy.typing import NDArray

from unclouded.data.archive import SCHEMA, encode
from unclouded.data.archive_writer import ArchiveWriter
from unclouded.errors import FileError, UncloudedError
from unclouded.progress import Progress, silent

_GROUP = 64
"""Patches per task of a process and per transaction: 20 MB with radar."""


@dataclass(frozen=True, slots=True)
class Job:
    """One patch to be packed.

    Attributes:
        patch_id: its key in the archive.
        row: its row of the table, as far as known before the patch is read.
        source: what the loader needs to find it; picklable.
    """

    patch_id: str
    row: dict[str, Any]
    source: Any


class PatchRecord(NamedTuple):
    """A patch that was read: tensors by name for every key, and its complete row (`archive.SCHEMA`)."""

    values: dict[str, dict[str, NDArray[Any]]]
    row: dict[str, Any]


class PackReport(NamedTuple):
    """Result of packing: number of patches in the archive, number of patches refused, and path of the archive."""

    packed: int
    broken: int
    output: Path


class _Packed(NamedTuple):
    values: dict[str, bytes]
    rows: list[dict[str, Any]]
    refused: dict[str, str]


def pack(
    jobs: Sequence[Job],
    load: Callable[[Job], PatchRecord],
    output: Path,
    *,
    origin: str,
    workers: int | None = None,
    overwrite: bool = False,
    progress: Progress = silent,
) -> PackReport:
    """Pack patches into the archive `output`.

    Args:
        jobs: the patches, in the same order at every call.
        load: reads one; a function at module level, since other processes call it. Raises `UncloudedError` if broken.
        output: the archive to write.
        origin: where the patches come from; an interrupted run is resumed only for the same.
        workers: processes; by default one for each core.
        overwrite: replace an existing archive.
        progress: see `Progress`.

    Raises:
        OutputExistsError: the archive exists, or another run is writing it.
        InputError: no patch could be packed, or a run with another origin was interrupted here.
        FileError: the disk is full, or a worker was killed; the same call resumes.
    """
    with ArchiveWriter(output, origin=origin, overwrite=overwrite) as writer:
        done = 0
        progress("packing", done, len(jobs))
        for group, packed in _each(_groups(jobs), writer.done, load, workers or len(os.sched_getaffinity(0)), output):
            if packed is not None:
                # Refused patches first, since a group counts as done when its values are written.
                writer.refuse(packed.refused)
                writer.put(packed.values, packed.rows)
            writer.refuse(group.duplicates)
            done += group.size
            progress("packing", done, len(jobs))
        return PackReport(writer.kept, writer.refused, writer.finish())


class _Group(NamedTuple):
    """Jobs of one task.

    Attributes:
        jobs: to be packed.
        duplicates: ids that occurred before, with the reason of refusal.
        size: number of all of them.
    """

    jobs: list[Job]
    duplicates: dict[str, str]
    size: int


def _groups(jobs: Sequence[Job]) -> Iterator[_Group]:
    """Group the jobs, always in the same way, so that a resumed run ends in the same bytes."""
    seen: set[str] = set()
    for start in range(0, len(jobs), _GROUP):
        taken = jobs[start : start + _GROUP]
        group = _Group([], {}, len(taken))
        for job in taken:
            if job.patch_id in seen:
                group.duplicates[job.patch_id] = "is there more than once; the first was packed"
            else:
                group.jobs.append(job)
            seen.add(job.patch_id)
        yield group


def _each(
    groups: Iterator[_Group], done: set[str], load: Callable[[Job], PatchRecord], workers: int, output: Path
) -> Iterator[tuple[_Group, _Packed | None]]:
    """Pack groups in other processes, in order, with a bounded number in memory; None for one packed before."""
    waiting: deque[tuple[_Group, Future[_Packed] | None]] = deque()
    # Not forked: GDAL and LMDB must not be shared between processes.
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        try:
            while True:
                for group in itertools.islice(groups, 2 * workers - len(waiting)):
                    todo = any(job.patch_id not in done for job in group.jobs)
                    waiting.append((group, pool.submit(_pack_group, group.jobs, load) if todo else None))
                if not waiting:
                    return
                group, future = waiting.popleft()
                yield group, None if future is None else future.result()
        except BrokenProcessPool as error:
            raise FileError(
                f"{output}: a process that packs was killed, perhaps for its memory; "
                "give the same command again to go on, with fewer --workers if it happens again"
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _pack_group(jobs: list[Job], load: Callable[[Job], PatchRecord]) -> _Packed:
    packed = _Packed({}, [], {})
    for job in jobs:
        try:
            loaded = load(job)
        except UncloudedError as error:
            packed.refused[job.patch_id] = " ".join(str(error).split())
            continue
        if missing := [name for name in SCHEMA.names if name not in loaded.row]:
            raise ValueError(f"the row of {job.patch_id} lacks {', '.join(missing)}")
        packed.values.update({key: encode(tensors) for key, tensors in loaded.values.items()})
        packed.rows.append(loaded.row)
    return packed
