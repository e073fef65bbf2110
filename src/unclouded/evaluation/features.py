"""Features and probabilities of a classifier for patches of an archive, with a cache on disk.

The key of a cached file is made of checksums of the classifier, of the archive's table and of some patches' pixels, the
rows, and the processing of the patches. A file that is damaged, or of another key, is computed again.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from unclouded.data.archive import Archive
from unclouded.data.batch import PatchReader
from unclouded.data.labelled import Labelled, checksum
from unclouded.data.observations import to_observation
from unclouded.data.samplers import Rows
from unclouded.errors import FileError
from unclouded.evaluation.land_cover import predict
from unclouded.models.land_cover import LandCover
from unclouded.models.observation import Observation
from unclouded.progress import Progress, silent

Tensors = dict[str, NDArray[Any]]
Change = Callable[[Observation, Rows], tuple[Observation, Tensors]]
"""Processes a batch (B) of images and their rows before they are classified; returns the images, and further arrays
(B, ...) to keep."""

_VERSION = 1
"""To be incremented when a change of the code changes the features."""
_PROBED = 16
"""Patches whose pixels are part of the key, since the table does not depend on pixels."""


class Extractor:
    """Computes features of rows of an archive by the classifier, or reads them from the cache."""

    def __init__(
        self,
        archive: Archive,
        classifier: LandCover,
        sha256: str,
        *,
        batch: int = 32,
        device: str = "cpu",
        cache: Path | None = None,
        progress: Progress = silent,
    ) -> None:
        """Extract from an archive.

        Args:
            archive: open archive.
            classifier: on `device`.
            sha256: of the classifier's weights.
            batch: patches per batch.
            device: of the classifier.
            cache: folder of the cached files; nothing is cached by default.
            progress: see `Progress`.

        Raises:
            InputError: the archive's labels are not of the classifier's vocabulary.
            FileError: the folder of the cache cannot be created.
        """
        self.archive, self.reader = archive, PatchReader(archive, len(classifier.settings.classes))
        self.archive_sha256 = checksum(archive.path)
        self._classifier, self._sha256 = classifier, sha256
        self._batch, self._device, self._cache, self._progress = batch, device, cache, progress
        if cache is not None:
            try:
                cache.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise FileError(f"{cache}: cannot be created ({error.strerror}); give another --cache") from error

    def __call__(
        self, rows: Rows, stage: str, *, done: Mapping[str, Any] | None = None, change: Change | None = None
    ) -> Tensors:
        """Extract the features of `rows`.

        Args:
            rows: (N,) of the archive's table, N >= 1.
            stage: name for `progress`.
            done: description of `change` as JSON, part of the key of the cache.
            change: processing of the images; none by default.

        Returns:
            `features` (N, D) float32, `probabilities` (N, K) float32, and the further arrays (N, ...) of `change`.

        Raises:
            InputError: images lack bands that the classifier needs, or features are not finite.
            FileError: the cache cannot be written to.
        """
        key = {
            "version": _VERSION,
            "classifier": self._sha256,
            "archive": self.archive_sha256,
            "rows": hashlib.sha256(np.ascontiguousarray(rows, np.int64).tobytes()).hexdigest(),
            "pixels": self._probe(rows),
            "done": dict(done or {}),
        }
        return cached(self._cache, key, lambda: self._extract(rows, stage, change))

    def _extract(self, rows: Rows, stage: str, change: Change | None) -> Tensors:
        kept: list[Tensors] = []

        def batches() -> Iterator[Labelled]:
            for start in range(0, len(rows), self._batch):
                batch_rows = rows[start : start + self._batch]
                batch = self.reader.read(batch_rows)
                x = to_observation(batch, self._device)
                if change is not None:
                    x, more = change(x, batch_rows)
                    kept.append(more)
                yield Labelled(x, batch.labels, batch.ids)

        made = predict(
            self._classifier,
            batches(),
            len(rows),
            progress=lambda _, done, total: self._progress(stage, done, total),
        )
        found: Tensors = {"features": made.features, "probabilities": made.probabilities}
        for name in kept[0] if kept else ():
            found[name] = np.concatenate([more[name] for more in kept])
        return found

    def _probe(self, rows: Rows) -> str:
        probe = hashlib.sha256()
        for row in rows[np.unique(np.linspace(0, len(rows) - 1, _PROBED).astype(np.int64))]:
            tensors = self.archive.read(self.archive.table["patch_id"][int(row)].as_py())
            for name in sorted(tensors):
                probe.update(name.encode() + tensors[name].tobytes())
        return probe.hexdigest()


def cached(folder: Path | None, key: Mapping[str, Any], make: Callable[[], Tensors]) -> Tensors:
    """Read tensors from the cache, or compute and store them; without a folder they are computed each time.

    Args:
        folder: of the cache, which exists.
        key: everything on which the tensors depend, as JSON.
        make: computes them.

    Raises:
        FileError: the folder cannot be written to.
    """
    if folder is None:
        return make()
    text = json.dumps(key, sort_keys=True)
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}.safetensors"
    found = _read(path, text)
    if found is None:
        found = make()
        # Two runs that compute the same do not interfere: the file of the last one is kept.
        temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            save_file(
                {name: np.ascontiguousarray(array) for name, array in found.items()}, temporary, {"unclouded": text}
            )
            temporary.replace(path)
        except (OSError, SafetensorError) as error:
            temporary.unlink(missing_ok=True)
            raise FileError(f"{path}: cannot be written ({error}); check the disk, or give another --cache") from error
    return found


def _read(path: Path, key: str) -> Tensors | None:
    try:
        with safe_open(path, framework="numpy") as file:
            if (file.metadata() or {}).get("unclouded") != key:
                return None
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (safe_open is not a mapping)
    except (OSError, SafetensorError):
        return None
