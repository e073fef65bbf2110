"""Outputs that appear under their name only when complete."""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from unclouded.errors import FileError, OutputExistsError

QUALITY_BANDS = ("opacity", "uncertainty", "source")
"""Bands of the file at `quality_path`."""

MASK_BANDS = ("class",)
"""Of a mask."""


@contextmanager
def aside(output: Path) -> Iterator[Path]:
    """Give a hidden folder beside `output` to work in; it is removed at the end, whatever happens.

    A run clears away what a killed one left.

    Raises:
        FileError: if the folder cannot be made.
        OutputExistsError: if another run is writing the same output.
    """
    with workplace(output) as folder:
        empty(folder)
        try:
            yield folder
        finally:
            empty(folder)


@contextmanager
def workplace(output: Path) -> Iterator[Path]:
    """Give a hidden folder beside `output` to work in; it stays, so that the next run can go on from there.

    The folder's name is fixed, and a lock tells a run that is still at work; it ends with its process. A folder that is
    left empty is removed.

    Raises:
        FileError: if the folder cannot be made.
        OutputExistsError: if another run is writing the same output.
    """
    folder = workplace_of(output)
    descriptor = _locked(folder, output)
    try:
        yield folder
    finally:
        with suppress(OSError):
            folder.rmdir()
        os.close(descriptor)


def empty(folder: Path, *kept: Path) -> None:
    """Remove what a folder holds, apart from the files to be kept."""
    for entry in folder.iterdir():
        if entry not in kept:
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)


def workplace_of(output: Path) -> Path:
    """The hidden folder in which `output` is made."""
    return output.parent / f".{output.name}.partial"


def clear_away(*outputs: Path) -> None:
    """Remove what a run left beside outputs that are complete, if it was killed right after that."""
    for output in outputs:
        if workplace_of(output).is_dir():
            with suppress(FileError, OutputExistsError), aside(output):
                pass


def publish(finished: Mapping[Path, Path]) -> None:
    """Move complete files to their names, in order: {file: final name}. All are on the same file system.

    Raises:
        FileError: if a file cannot be moved; those after it are not.
    """
    for file, name in finished.items():
        try:
            with file.open("rb") as stream:
                os.fsync(stream.fileno())
            file.replace(name)
            sync_folder(name.parent)
        except OSError as error:
            raise FileError(f"{name}: cannot be written ({error.strerror})") from error


def publish_folder(folder: Path, name: Path) -> None:
    """Move a complete folder to its name on the same file system; one that is there goes to beside `folder`.

    OSError if that fails.
    """
    for at, _, files in os.walk(folder):
        for file in files:
            with open(os.path.join(at, file), "rb") as stream:
                os.fsync(stream.fileno())
    if name.exists():
        name.replace(folder.with_name(f"{folder.name}.old"))
    folder.replace(name)
    sync_folder(name.parent)


def write_bytes(data: bytes, path: Path, advice: str = "check the disk") -> None:
    """Write a file that appears under its name only when it is complete and on the disk; one before it stays till then.

    Args:
        data: what it holds.
        path: its name.
        advice: what to do if it cannot be written.

    Raises:
        FileError: it cannot be written.
        OutputExistsError: another run is writing it.
    """
    with aside(path) as folder:
        part = folder / path.name
        try:
            part.write_bytes(data)
        except OSError as error:
            raise FileError(f"{path}: cannot be written ({error.strerror}); {advice}") from error
        publish({part: path})


def quality_path(output: Path) -> Path:
    """Where the opacity and uncertainty of the cleared scene `output` go."""
    return output.with_name(f"{output.stem}_quality.tif")


def mask_path(output: Path) -> Path:
    """Where the mask of the cleared scene `output` goes."""
    return output.with_name(f"{output.stem}_mask.tif")


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Raises:
        FileError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror})") from error


def multihash_of(path: Path) -> str:
    """Checksum of a file as STAC items have it: its SHA-256 behind the code of that (12) and its length (20).

    Raises:
        FileError: it cannot be read.
    """
    return f"1220{sha256_of(path)}"


def write_json(record: Mapping[str, Any], path: Path) -> None:
    """Write JSON that appears under its name only when it is complete; numbers that are not finite become null.

    Raises:
        FileError: it cannot be written.
    """
    write_bytes((json.dumps(_plain(record), indent=1, allow_nan=False) + "\n").encode(), path)


def refuse_existing(*outputs: Path) -> None:
    """Check that no output is there yet.

    Raises:
        OutputExistsError: naming the first that is.
    """
    for output in outputs:
        if output.exists():
            raise OutputExistsError(f"{output}: is already there; give another path, or --overwrite to replace it")


def _locked(folder: Path, output: Path) -> int:
    """Make `folder` and lock it; the lock ends when the descriptor returned is closed."""
    while True:
        try:
            folder.mkdir(exist_ok=True)
            try:
                descriptor = os.open(folder, os.O_RDONLY)
            except FileNotFoundError:
                continue  # a run that has just ended removed it in between
        except OSError as error:
            raise FileError(
                f"{output}: its folder cannot be written to ({error.strerror}); give an --output in a folder that can"
            ) from error
        try:
            _lock(descriptor, output)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.stat(folder), os.fstat(descriptor)):
                    return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        # The folder went with a run that ended in between: a lock on it would keep nobody away.
        os.close(descriptor)


def _lock(descriptor: int, output: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise OutputExistsError(f"{output}: another run is writing it; wait for it or give another --output") from error
    except OSError:
        # Some network file systems have no locks; there the user keeps two runs apart.
        pass


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk; OSError if that fails."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _plain(value: Any) -> Any:  # noqa: ANN401 (whatever JSON can hold)
    """Give what is not a number as null, which JSON has."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
