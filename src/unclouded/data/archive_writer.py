"""Writing an archive: an interrupted run can be resumed, and ends in the same bytes as an uninterrupted one."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import lmdb
import pyarrow as pa
import pyarrow.parquet as pq

from unclouded.data.archive import BROKEN, SCHEMA, TABLE
from unclouded.errors import FileError, InputError
from unclouded.files import refuse_existing, workplace

_LARGEST = 2**40
"""Bytes of address space to reserve for the values; the file grows only as it fills."""

_ROWS = 10_000
"""Rows that go to the table at once."""


class ArchiveWriter:
    """Writes into a hidden folder beside `path`; after an interruption the next writer resumes there.

    Each `put` is atomic, being one LMDB transaction. Patches put in the same order and the same groups give the same
    bytes, however often the run was interrupted.

    Attributes:
        done: ids of the patches that were put or refused already.
    """

    def __init__(self, path: Path, *, origin: str = "", overwrite: bool = False) -> None:
        """Start or resume the archive `path`; nothing happens before the context is entered.

        Args:
            path: of the archive.
            origin: where the patches come from; resuming with another origin is refused.
            overwrite: replace an existing archive.
        """
        self.path = Path(path)
        self.done: set[str] = set()
        self._origin, self._overwrite = origin, overwrite
        self._stack = ExitStack()

    def __enter__(self) -> ArchiveWriter:
        """Open the hidden folder.

        Raises:
            OutputExistsError: the archive is there, or another run is writing it.
            InputError: a run on another origin was interrupted there.
            FileError: the folder cannot be written to.
        """
        if not self._overwrite:
            refuse_existing(self.path)
        with ExitStack() as stack:
            with _writing(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
            self._folder = stack.enter_context(workplace(self.path))
            self._draft = self._folder / "archive"
            with _writing(self.path):
                self._draft.mkdir(exist_ok=True)
                (self._folder / "rows").mkdir(exist_ok=True)
                self._rows = lmdb.open(str(self._folder / "rows"), map_size=_LARGEST, max_dbs=2)
                stack.callback(self._rows.close)
                self._kept_rows, self._refusals = (self._rows.open_db(name) for name in (b"kept", b"refused"))
                self._resume()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def put(self, values: Mapping[str, bytes], rows: Sequence[Mapping[str, Any]]) -> None:
        """Put values by key and the rows of their patches, all or none.

        Raises:
            FileError: the disk is full.
        """
        if not rows:
            return
        with _writing(self.path):
            # The rows first: a row without its value is dropped on resuming.
            with self._rows.begin(write=True) as transaction:
                for row in rows:
                    text = json.dumps({name: row[name] for name in SCHEMA.names})
                    transaction.put(str(row["patch_id"]).encode(), text.encode(), db=self._kept_rows)
            with self._values() as environment, environment.begin(write=True) as transaction:
                for key in sorted(values):
                    transaction.put(key.encode(), values[key])
        self.done.update(str(row["patch_id"]) for row in rows)

    def refuse(self, broken: Mapping[str, str]) -> None:
        """Record broken patches, each with the reason."""
        with _writing(self.path), self._rows.begin(write=True) as transaction:
            for patch, reason in broken.items():
                transaction.put(patch.encode(), reason.encode(), db=self._refusals)
        self.done.update(broken)

    def finish(self) -> Path:
        """Write the table and the list of refused patches, check that every row has its values, and rename.

        Raises:
            FileError: the disk is full, or a value is missing.
            InputError: there is nothing to archive.
        """
        with _writing(self.path):
            if not self.kept:
                raise InputError(f"{self.path}: not one patch could be archived; see the reasons given for each")
            with pq.ParquetWriter(self._draft / TABLE, SCHEMA, compression="zstd") as table:
                for batch in self._batches():
                    table.write_batch(batch)
            self._list_refused()
            self._stack.close()
            (self._draft / "lock.mdb").unlink(missing_ok=True)
            for file in self._draft.iterdir():
                with file.open("rb") as stream:
                    os.fsync(stream.fileno())
            if self.path.exists():
                shutil.rmtree(self.path)
            self._draft.rename(self.path)
            shutil.rmtree(self._folder, ignore_errors=True)
        return self.path

    def _values(self) -> lmdb.Environment:
        # Opened again for every transaction: LMDB reuses pages of memory with their old content, so the unused bytes
        # of the file would depend on what the process did before.
        return lmdb.open(str(self._draft), map_size=_LARGEST)

    def _resume(self) -> None:
        """Resume an interrupted run: drop rows whose values are missing."""
        with self._values() as environment, self._rows.begin(write=True) as rows, environment.begin() as values:
            origin = rows.get(b"origin")
            if origin is None:
                rows.put(b"origin", self._origin.encode())
            elif origin.decode() != self._origin:
                raise InputError(
                    f"{self.path}: an interrupted run on {origin.decode()} was writing it; go on with that, "
                    f"or remove {self._folder}"
                )
            for key, _ in list(rows.cursor(db=self._kept_rows)):
                if values.get(key) is None:
                    rows.delete(key, db=self._kept_rows)
                else:
                    self.done.add(key.decode())
            self.done.update(key.decode() for key, _ in rows.cursor(db=self._refusals))

    @property
    def kept(self) -> int:
        """Number of patches in the archive."""
        with self._rows.begin() as transaction:
            return int(transaction.stat(self._kept_rows)["entries"])

    @property
    def refused(self) -> int:
        """Number of patches that were refused."""
        with self._rows.begin() as transaction:
            return int(transaction.stat(self._refusals)["entries"])

    def _batches(self) -> Iterator[pa.RecordBatch]:
        """The rows in order of their ids, each checked to have its values."""
        waiting = []
        with self._values() as environment, self._rows.begin() as rows, environment.begin() as values:
            for key, text in rows.cursor(db=self._kept_rows):
                row = json.loads(text)
                for name in (key.decode(), row["s1_name"]):
                    if name is not None and values.get(name.encode()) is None:
                        raise FileError(f"{self.path}: the value of {name!r} is missing; remove {self._folder}")
                waiting.append(row)
                if len(waiting) == _ROWS:
                    yield pa.RecordBatch.from_pylist(waiting, SCHEMA)
                    waiting = []
        if waiting:
            yield pa.RecordBatch.from_pylist(waiting, SCHEMA)

    def _list_refused(self) -> None:
        with self._rows.begin() as transaction:
            refused = [(key.decode(), text.decode()) for key, text in transaction.cursor(db=self._refusals)]
        (self._draft / BROKEN).unlink(missing_ok=True)
        if refused:
            with (self._draft / BROKEN).open("w", newline="") as file:
                csv.writer(file).writerows([("patch_id", "reason"), *refused])


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except FileError:
        raise
    except (lmdb.Error, OSError, pa.ArrowException) as error:
        reason = " ".join(str(error).split())
        raise FileError(f"{path}: cannot be written ({reason}); check the disk and its free space") from error
