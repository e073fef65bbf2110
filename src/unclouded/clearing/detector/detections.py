"""What the detector found in each date of a series, kept on the disk, so that a date is read once for it.

An answer is kept by all that it follows from: the pixels (by their files' size and time of change), how they are read,
the scene's grid, the detector. It is made anew if any of that is another, or if it does not read back as written.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from unclouded.clearing.detector.cover_detector import FOUND, CoverDetector
from unclouded.clearing.grid_file import GridFile
from unclouded.errors import FileError
from unclouded.progress import Progress
from unclouded.reading.files.raster import is_remote
from unclouded.reading.info import SceneInfo
from unclouded.version import __version__

_CHECKS = struct.Struct("<3I")
"""The end of a file: checksum of what the detector saw, CRC-32 of what it found and of the reflectance."""


class Detected(NamedTuple):
    """What the detector found in an image.

    Attributes:
        probabilities: (4, h, w) of cloud, shadow, haze and dark land, see `CoverDetector.detect`.
        reflectance: (D, h, w) of the detector's bands on its grid.
        seen: checksum of what it saw.
    """

    probabilities: GridFile
    reflectance: GridFile
    seen: int

    def close(self) -> None:
        """Give the disk back."""
        self.probabilities.close()
        self.reflectance.close()


def detected(detector: CoverDetector, reduced: GridFile, seen: int, folder: Path | None, report: Progress) -> Detected:
    """Run a detector over what it gave of a whole image by `reduce`, of the checksum `seen`; that file is taken over.

    Raises:
        FileError: if the disk does not take the answer.
    """
    probabilities = detector.detect(reduced, folder, report)
    return Detected(probabilities, detector.coarse(reduced, folder), seen)


@dataclass(frozen=True)
class Subject:
    """What an answer of the detector follows from.

    Attributes:
        image: what was looked at.
        files: that hold its pixels; empty if that is not known.
        scene: on whose grid.
        detector: that looked.
    """

    image: SceneInfo
    files: tuple[str, ...]
    scene: SceneInfo
    detector: CoverDetector


class Detections:
    """Answers of the detector in a folder, each made once, however many threads ask for it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Pixels of which nothing tells whether they have changed are known to be the same within a run alone.
        self._run = uuid.uuid4().hex
        self._busy: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()

    def get(
        self, subject: Subject, folder: Path | None, make: Callable[[], Detected], seen: int | None = None
    ) -> Detected:
        """Give the answer that is kept, in a file in `folder`; else `make` it, and keep it.

        Args:
            subject: what it follows from.
            folder: for the grid, or None for where temporary files go.
            make: runs the detector.
            seen: checksum of what the detector would see, if that is known: an answer to anything else is dropped.

        Raises:
            FileError: if the image cannot be read, or the disk does not take the answer.
        """
        name = hashlib.sha256(json.dumps(self._described(subject)).encode()).hexdigest()
        with self._lock:
            busy = self._busy[name]
        with busy:
            kept = self._read(self._folder / name, subject, folder)
            if kept is not None and seen in (None, kept.seen):
                return kept
            if kept is not None:
                kept.close()
            made = make()
            self._write(self._folder / name, made)
            return made

    def _read(self, path: Path, subject: Subject, folder: Path | None) -> Detected | None:
        factor, scene = subject.detector.factor, subject.scene
        found, seen = (GridFile(-(-scene.height // factor), -(-scene.width // factor), folder) for _ in range(2))
        with suppress(OSError, EOFError, struct.error), path.open("rb") as stream:
            sums = found.copy_from(stream, FOUND), seen.copy_from(stream, len(subject.detector.bands))
            checksum, *expected = _CHECKS.unpack(stream.read())
            if list(sums) == expected:
                return Detected(found, seen, checksum)
        found.close()
        seen.close()
        return None

    def _write(self, path: Path, made: Detected) -> None:
        temporary = path.with_suffix(f".{threading.get_ident()}")
        try:
            with temporary.open("wb") as stream:
                sums = made.probabilities.copy_to(stream), made.reflectance.copy_to(stream)
                stream.write(_CHECKS.pack(made.seen, *sums))
            temporary.replace(path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise FileError(
                f"{self._folder}: cannot be written to ({error.strerror}); check the disk and its free space"
            ) from error

    def _described(self, subject: Subject) -> list[Any]:
        image, scene, detector = subject.image, subject.scene, subject.detector
        stamps = [_stamp(file) for file in subject.files]
        return [
            [image.source, image.bands, image.level, _described(image), str(image.encoding), str(image.dtype)],
            _described(scene),
            [detector.bands, detector.factor, detector.step, detector.asked],
            stamps if stamps and None not in stamps else self._run,
            [__version__, version("ukis-csmask")],
        ]


def _described(info: SceneInfo) -> list[Any]:
    return [info.height, info.width, info.crs and info.crs.to_wkt(), list(info.transform)]


def _stamp(path: str) -> Sequence[Any] | None:
    """What changes when a file does, or a file in a folder; None if nothing tells."""
    if is_remote(path) or path.startswith("/vsi") or path.lower().endswith(".vrt"):
        return None
    try:
        if not os.path.isdir(path):
            return [os.path.abspath(path), *_size_and_time(path)]
        files = [os.path.join(at, name) for at, _, names in os.walk(path) for name in names]
        return [os.path.abspath(path), [[file, *_size_and_time(file)] for file in sorted(files)]]
    except OSError:
        return None


def _size_and_time(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns
