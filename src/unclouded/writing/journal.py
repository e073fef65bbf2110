"""What a run has finished, line by line on the disk: what it works on, its strips, and at last its outputs.

Each line is a checksum and a record in JSON, and is on the disk before the run goes on. A line that a kill or a fault
of the disk left incomplete is not read, nor is any after it.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from unclouded.files import refuse_existing, sync_folder, workplace_of

JOURNAL = "journal"
"""Name of the file, in the hidden folder beside an output."""

_SHOWN = 40
"""Characters up to which values that differ are shown, not only named."""


@dataclass(frozen=True)
class Row:
    """A finished row of tiles.

    Attributes:
        row: first row of the scene's grid in it.
        height: rows of the grid.
        valid: pixels that hold data.
        changed: how many of them were changed.
        cloud: how many of them lie under cloud or haze.
        tiles: column and width of each tile, and for each file the checksum of the tile's pixels in it.
    """

    row: int
    height: int
    valid: int
    changed: int
    cloud: int
    tiles: list[tuple[int, int, list[int]]]


class Journal:
    """The journal in a folder, as an earlier run left it until `start` is called.

    Attributes:
        subject: the settings and the checksums of the input that the rows belong to.
        rows: what is finished, by first row.
        outputs: size in bytes and time of change in ns of each finished output, once all are.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / JOURNAL
        self.subject: dict[str, Any] = {}
        self.rows: dict[int, Row] = {}
        self.outputs: dict[str, list[int]] = {}
        for kind, value in _read(self._path):
            if kind == "row":
                if set(value) != {field.name for field in fields(Row)}:
                    continue  # of a version that noted other things
                row = Row(**value)
                self.rows[row.row] = row
            elif kind == "subject":
                self.subject |= value
            else:
                self.outputs = value

    def start(self, subject: Mapping[str, Any], rows: Mapping[int, Row]) -> None:
        """Rewrite the journal with `rows`; OSError if the disk is full."""
        self.subject, self.rows, self.outputs = _plain(subject), dict(rows), {}
        new = self._path.with_suffix(".new")
        with new.open("wb") as file:
            file.write(_line("subject", self.subject))
            file.writelines(_line("row", asdict(row)) for row in rows.values())
            file.flush()
            os.fsync(file.fileno())
        new.replace(self._path)
        sync_folder(self._path.parent)

    def add(self, row: Row) -> None:
        """Note a row whose files are on the disk; OSError if the disk is full."""
        sync_folder(self._path.parent)
        self._append("row", asdict(row))
        self.rows[row.row] = row

    def finish(self, outputs: Mapping[Path, Path]) -> None:
        """Note that the files of `outputs` are complete and about to get their final names; OSError as for `add`."""
        self.outputs = {name.name: _stamp(file) for file, name in outputs.items()}
        self._append("outputs", self.outputs)

    def differences(self, subject: Mapping[str, Any]) -> list[str]:
        """Say in what the journal's work differs from `subject`, as far as both say."""
        now, then = _plain(subject), self.subject
        return [_difference(name, then[name], now[name]) for name in now if name in then and now[name] != then[name]]

    def _append(self, kind: str, value: Any) -> None:  # noqa: ANN401 (whatever JSON can hold)
        with self._path.open("ab") as file:
            file.write(_line(kind, value))
            file.flush()
            os.fsync(file.fileno())


def finished_rows(output: Path) -> int:
    """How many rows of tiles an interrupted run has left for `output`."""
    return len(Journal(workplace_of(output)).rows)


def refuse_foreign(*outputs: Path) -> None:
    """Check that no output is there yet, but for what a run left that was killed between naming one and the next.

    Args:
        *outputs: of one run; its hidden folder is beside the first.

    Raises:
        OutputExistsError: naming the first that is.
    """
    own = Journal(workplace_of(outputs[0])).outputs
    refuse_existing(*(path for path in outputs if path.exists() and own.get(path.name) != _stamp(path)))


def _read(path: Path) -> Iterator[tuple[str, Any]]:
    """The whole lines of a journal; none where there is no journal that can be read."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError:
        return
    for line in lines:
        check, _, text = line.partition(b" ")
        if check != _check(text):
            return
        kind, value = json.loads(text)
        yield kind, value


def _line(kind: str, value: Any) -> bytes:  # noqa: ANN401 (whatever JSON can hold)
    text = json.dumps([kind, value]).encode()
    return _check(text) + b" " + text + b"\n"


def _check(text: bytes) -> bytes:
    return b"%08x" % zlib.crc32(text)


def _plain(subject: Mapping[str, Any]) -> dict[str, Any]:
    """As it comes back from the journal: tuples are lists."""
    plain: dict[str, Any] = json.loads(json.dumps(subject))
    return plain


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _difference(name: str, then: object, now: object) -> str:
    old, new = json.dumps(then), json.dumps(now)
    return f"{name} ({old} then, {new} now)" if max(len(old), len(new)) <= _SHOWN else name
