"""Archives of patches: safetensors in LMDB, in the layout of the rico-hdl encoder, and a Parquet table of them.

ARCHIVE/data.mdb          values: the bands of a patch under its id, its radar under `s1_name`
ARCHIVE/metadata.parquet  one row per patch, sorted by id: the columns of BigEarthNet v2, then those of `SCHEMA`
ARCHIVE/broken.csv        patches that were refused, with the reason; only if there are any
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any
from weakref import WeakValueDictionary

import lmdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from safetensors.numpy import save

from unclouded.errors import FileError, InputError

VALUES, TABLE, BROKEN = "data.mdb", "metadata.parquet", "broken.csv"
VERSION = "1"
_VERSION_KEY = b"unclouded_archive"

SCHEMA = pa.schema(
    [
        ("patch_id", pa.string()),
        ("labels", pa.list_(pa.string())),
        ("split", pa.string()),  # train, validation or test; empty if none
        ("country", pa.string()),  # empty if unknown
        ("s1_name", pa.string()),  # key of the radar; null without
        ("s2v1_name", pa.string()),
        ("contains_seasonal_snow", pa.bool_()),
        ("contains_cloud_or_shadow", pa.bool_()),
        ("domain", pa.string()),  # X cloudy, Y clear, empty neither
        ("acquisition", pa.string()),  # of the satellite's overpass
        ("level", pa.string()),  # L1C or L2A
        ("clear_id", pa.string()),  # id of the clear image of the same ground, where it is known
    ],
    metadata={_VERSION_KEY: VERSION.encode()},
)


def table_row(patch_id: str, **columns: Any) -> dict[str, Any]:  # noqa: ANN401 (columns are of several types)
    """A row of `SCHEMA`; columns that are not given say that nothing is known, and that the patch is clear."""
    empty: dict[str, Any] = {
        "patch_id": patch_id,
        "labels": [],
        "split": "",
        "country": "",
        "s1_name": None,
        "s2v1_name": None,
        "contains_seasonal_snow": False,
        "contains_cloud_or_shadow": False,
        "domain": "",
        "acquisition": "",
        "level": "",
        "clear_id": None,
    }
    return empty | columns


_DTYPES = {
    "U8": np.uint8,
    "I8": np.int8,
    "U16": np.uint16,
    "I16": np.int16,
    "U32": np.uint32,
    "I32": np.int32,
    "F16": np.float16,
    "F32": np.float32,
    "F64": np.float64,
}


def encode(tensors: Mapping[str, NDArray[Any]]) -> bytes:
    """Serialise tensors by name as safetensors: the same bytes for the same tensors."""
    return save({name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)})


def decode(value: bytes) -> dict[str, NDArray[Any]]:
    """Decode a safetensors value into read-only views of its bytes; nothing in it is ever executed.

    Raises:
        ValueError: it is not safetensors, or its header does not fit its length.
    """
    header = value[: 8 + min(int.from_bytes(value[:8], "little"), len(value))]
    return {
        name: np.frombuffer(value, dtype, count, start).reshape(shape)
        for name, dtype, count, start, shape in _layout(header, len(value))
    }


# Nearly all patches of an archive have the same header, and parsing it takes longer than reading their pixels.
@lru_cache(maxsize=64)
def _layout(header: bytes, size: int) -> list[tuple[str, np.dtype[Any], int, int, tuple[int, ...]]]:
    """Name, data type, number of values, first byte and shape of each tensor in a value of `size` bytes."""
    try:
        entries = json.loads(header[8:]) if 10 <= len(header) <= size else None
        if not isinstance(entries, dict):
            raise ValueError("no safetensors header")
        entries.pop("__metadata__", None)
        layout = []
        for name, entry in entries.items():
            dtype, shape, (start, end) = np.dtype(_DTYPES[entry["dtype"]]), tuple(entry["shape"]), entry["data_offsets"]
            count = math.prod(shape)
            if start < 0 or end - start != count * dtype.itemsize or len(header) + end > size:
                raise ValueError(f"{name} lies outside of it")
            layout.append((name, dtype, count, len(header) + start, shape))
        return layout
    except (AttributeError, KeyError, TypeError, UnicodeDecodeError, OverflowError, RecursionError) as error:
        raise ValueError(f"its header is damaged ({error})") from error


def open_values(folder: Path) -> lmdb.Environment:
    """Open the values of an archive, or of an LMDB by rico-hdl, for reading.

    Raises:
        FileError: there is no LMDB, or it is damaged.
    """
    path = folder / VALUES
    if not path.is_file():
        raise FileError(f"{folder}: holds no {VALUES}; give an archive written by `unclouded data`")
    try:
        # Patches are read in random order, so reading ahead would be wasted.
        return lmdb.open(str(folder), readonly=True, lock=False, readahead=False, create=False)
    except lmdb.Error as error:
        raise FileError(f"{path}: is not an LMDB, or is cut short ({error}); write the archive again") from error


class _OpenEnvironment:
    """An LMDB environment with one lasting read transaction, since an archive never changes."""

    def __init__(self, folder: Path) -> None:
        self.environment = open_values(folder)
        self.transaction = self.environment.begin(buffers=True)
        self.process = os.getpid()

    def close(self) -> None:
        self.transaction.abort()
        self.environment.close()

    def __del__(self) -> None:
        if hasattr(self, "process"):
            self.close()


# LMDB must not be opened twice in one process.
_OPENED: WeakValueDictionary[Path, _OpenEnvironment] = WeakValueDictionary()


def _close_inherited() -> None:
    """LMDB must not be used after a fork, so a child process opens the archive again."""
    for opened in list(_OPENED.values()):
        opened.close()
    _OPENED.clear()


os.register_at_fork(after_in_child=_close_inherited)


class Archive:
    """An archive open for reading; can be pickled and used after a fork, each process opens it for itself.

    Attributes:
        path: its folder.
        table: its rows (`SCHEMA`), sorted by `patch_id`.
    """

    def __init__(self, path: Path) -> None:
        """Open an archive.

        Raises:
            FileError: a file of it is missing or damaged.
            InputError: it was written by another version.
        """
        self.path = Path(path)
        self.table = _read_table(self.path / TABLE)
        self._opened: _OpenEnvironment | None = None
        self._transaction()

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def read(self, key: str) -> dict[str, NDArray[Any]]:
        """Read the tensors of a patch by its id, or of its radar by `s1_name`, each at its own size; read-only.

        Raises:
            InputError: there is no such key.
            FileError: the value is damaged, or not safetensors; it is never unpickled.
        """
        value = self._transaction().get(key.encode())
        if value is None:
            raise InputError(f"{self.path}: holds no {key!r}; `unclouded data show` tells what it holds")
        try:
            # One copy: the archive may be closed while the arrays are in use.
            return decode(bytes(value))
        except ValueError as error:
            raise FileError(f"{self.path}: the value of {key!r} is not safetensors ({error}); pack it again") from error

    def close(self) -> None:
        """Close it; reading opens it again."""
        self._opened = None

    def __enter__(self) -> Archive:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_opened": None}

    def _transaction(self) -> lmdb.Transaction:
        if self._opened is None or self._opened.process != os.getpid():
            folder = self.path.resolve()
            self._opened = _OPENED.get(folder) or _OpenEnvironment(self.path)
            _OPENED[folder] = self._opened
        return self._opened.transaction


def _read_table(path: Path) -> pa.Table:
    try:
        table = pq.read_table(path)
    except FileNotFoundError as error:
        raise FileError(
            f"{path.parent}: holds no {path.name}; give an archive written by `unclouded data`, or pack it first"
        ) from error
    except (OSError, pa.ArrowException) as error:
        what = " ".join(str(error).split())
        raise FileError(f"{path}: cannot be read ({what}); write the archive again") from error
    version = (table.schema.metadata or {}).get(_VERSION_KEY, b"none").decode(errors="replace")
    if version != VERSION:
        raise InputError(f"{path}: is of archive version {version}; {VERSION} is accepted: write the archive again")
    return table
