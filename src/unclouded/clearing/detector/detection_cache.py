"""Cache on the disk of the cloud and shadow detected at the dates of a series: the detector runs once for each date.

The key holds all that a detection depends on: the image's files (by size and modification time), processing level,
scale and offset, the grids of image and scene, the detector with its version. The detector runs again if the key
differs, or if a file is damaged.
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
"""The end of a file: checksum of the detector's input, CRC-32 of the probabilities and of the reflectance."""


class Detection(NamedTuple):
    """The detector's result for an image.

    Attributes:
        probabilities: (4, h, w) of cloud, shadow, haze and dark land, see `CoverDetector.detect`.
        reflectance: (D, h, w) of the detector's bands on its grid.
        checksum: of the input of the detector.
    """

    probabilities: GridFile
    reflectance: GridFile
    checksum: int

    def close(self) -> None:
        """Delete the temporary files."""
        self.probabilities.close()
        self.reflectance.close()


def run_detector(
    detector: CoverDetector, reduced: GridFile, checksum: int, folder: Path | None, report: Progress
) -> Detection:
    """Run a detector on the reduced image, see `CoverDetector.reduce`, of that checksum; takes ownership of its file.

    Raises:
        FileError: if the disk is full.
    """
    probabilities = detector.detect(reduced, folder, report)
    return Detection(probabilities, detector.coarse(reduced, folder), checksum)


@dataclass(frozen=True)
class DetectionKey:
    """All that a result of the detector depends on.

    Attributes:
        image: the input.
        files: that hold its pixels; empty if they are not known.
        scene: whose grid the image is on.
        detector: with its configuration.
    """

    image: SceneInfo
    files: tuple[str, ...]
    scene: SceneInfo
    detector: CoverDetector


class DetectionCache:
    """Results of the detector in a folder; if several threads need one, it is computed once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # Files whose changes cannot be detected are taken for unchanged within a run only.
        self._run = uuid.uuid4().hex
        self._busy: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()

    def get(
        self, key: DetectionKey, folder: Path | None, make: Callable[[], Detection], checksum: int | None = None
    ) -> Detection:
        """Return the cached result, in files in `folder`; else `make` and cache it.

        Args:
            key: all that the result depends on.
            folder: for the grids; None for that of temporary files.
            make: runs the detector.
            checksum: of the input of the detector, if it is known: the result of another input is discarded.

        Raises:
            FileError: if the image cannot be read, or the disk is full.
        """
        name = hashlib.sha256(json.dumps(self._described(key)).encode()).hexdigest()
        with self._lock:
            busy = self._busy[name]
        with busy:
            kept = self._read(self._folder / name, key, folder)
            if kept is not None and checksum in (None, kept.checksum):
                return kept
            if kept is not None:
                kept.close()
            made = make()
            self._write(self._folder / name, made)
            return made

    def _read(self, path: Path, key: DetectionKey, folder: Path | None) -> Detection | None:
        factor, scene = key.detector.factor, key.scene
        found, reflectance = (GridFile(-(-scene.height // factor), -(-scene.width // factor), folder) for _ in range(2))
        with suppress(OSError, EOFError, struct.error), path.open("rb") as stream:
            sums = found.copy_from(stream, FOUND), reflectance.copy_from(stream, len(key.detector.bands))
            checksum, *expected = _CHECKS.unpack(stream.read())
            if list(sums) == expected:
                return Detection(found, reflectance, checksum)
        found.close()
        reflectance.close()
        return None

    def _write(self, path: Path, made: Detection) -> None:
        temporary = path.with_suffix(f".{threading.get_ident()}")
        try:
            with temporary.open("wb") as stream:
                sums = made.probabilities.copy_to(stream), made.reflectance.copy_to(stream)
                stream.write(_CHECKS.pack(made.checksum, *sums))
            temporary.replace(path)
        except OSError as error:
            with suppress(OSError):
                temporary.unlink()
            raise FileError(
                f"{self._folder}: cannot be written to ({error.strerror}); check the disk and its free space"
            ) from error

    def _described(self, key: DetectionKey) -> list[Any]:
        image, scene, detector = key.image, key.scene, key.detector
        stamps = [_stamp(file) for file in key.files]
        return [
            [image.source, image.bands, image.level, _described(image), str(image.encoding), str(image.dtype)],
            _described(scene),
            [detector.bands, detector.factor, detector.step, detector.weights],
            stamps if stamps and None not in stamps else self._run,
            [__version__, version("ukis-csmask")],
        ]


def _described(info: SceneInfo) -> list[Any]:
    return [info.height, info.width, info.crs and info.crs.to_wkt(), list(info.transform)]


def _stamp(path: str) -> Sequence[Any] | None:
    """Paths, sizes and modification times of a file, or of the files in a folder; None if they are not available."""
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
