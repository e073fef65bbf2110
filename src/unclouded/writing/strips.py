"""The cleared strips of a scene on the disk, from which an interrupted run goes on, and the outputs made of them.

A strip is a row of tiles: for each output a file, closed, on the disk and read back before the journal says so. They
lie in the hidden folder beside the output, uncompressed; where a block has nothing replaced, its quality is not stored.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import FileError, OutputExistsError
from unclouded.files import empty, publish
from unclouded.progress import Progress
from unclouded.tiles import Box
from unclouded.writing.journal import JOURNAL, Journal, Row
from unclouded.writing.resample import resample
from unclouded.writing.writer import Profile, Strip, StripWriter, write_cog


@dataclass(frozen=True)
class ClearedTile:
    """One tile of the result.

    Attributes:
        box: where it lies in the scene.
        dn: (C, h, w) in the scene's own encoding.
        quality: (3, h, w) opacity, uncertainty and source; 0 where nothing is replaced, NaN where there is no data.
        mask: (1, h, w) uint8, the class of each pixel, see `detection.classes`.
        valid: number of pixels that hold data.
        changed: how many of them were changed.
        cloud: how many of them lie under cloud or haze.
        written: which of the arrays go to a file of their own each.
    """

    box: Box
    dn: NDArray[Any]
    quality: NDArray[np.float32]
    mask: NDArray[np.uint8]
    valid: int
    changed: int
    cloud: int
    written: tuple[str, ...] = ("dn", "quality")

    @property
    def layers(self) -> tuple[NDArray[Any], ...]:
        """What goes to a file of its own each."""
        return tuple(getattr(self, name) for name in self.written)


class Strips:
    """Takes the tiles of a scene, row by row and from left to right, and makes the outputs of them.

    Leaving the context keeps what a later run can go on from, and removes everything else.
    """

    def __init__(
        self,
        folder: Path,
        outputs: Mapping[Path, Profile],
        settings: Mapping[str, Any],
        report: Progress,
        *,
        written: Mapping[Path, Profile] | None = None,
        overwrite: bool = False,
    ) -> None:
        """Look at what an interrupted run left.

        Args:
            folder: the locked hidden folder beside the first output.
            outputs: what to write, of one size: for each `ClearedTile.layers` the file and its profile.
            written: their profiles on another grid, which the finished layers are brought to.
            settings: what decides the result, apart from the input's pixels.
            report: told what is checked and written.
            overwrite: drop what a run with other settings or input left, instead of refusing it.

        Raises:
            OutputExistsError: if that run had other settings.
        """
        self._folder, self._settings, self._report, self._overwrite = folder, settings, report, overwrite
        self._outputs, self._layouts = list(outputs), list(outputs.values())
        self._written = self._layouts if written is None else list(written.values())
        self._width = self._layouts[0].width
        self._journal = Journal(folder)
        self._draft: _Draft | None = None
        self._published = False
        self._refuse_other(settings)

    def __enter__(self) -> Strips:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._draft is not None:
            self._draft.close()
        if self._published or not self._journal.rows:
            # The journal first: strips without it are nothing, but it without strips would be taken up.
            (self._folder / JOURNAL).unlink(missing_ok=True)
            empty(self._folder)
        else:
            self._tidy()

    @property
    def valid(self) -> int:
        """Pixels of the finished strips that hold data."""
        return sum(row.valid for row in self._journal.rows.values())

    @property
    def changed(self) -> int:
        """Pixels of the finished strips that were changed."""
        return sum(row.changed for row in self._journal.rows.values())

    @property
    def cloud(self) -> int:
        """Pixels of the finished strips under cloud or haze."""
        return sum(row.cloud for row in self._journal.rows.values())

    def resume(self, checksums: Mapping[str, int]) -> Collection[int]:
        """Take up the strips that are there and read back as written; return the first row of each.

        Args:
            checksums: of the input.

        Raises:
            OutputExistsError: if they were cleared from another input.
            FileError: if the disk is full.
        """
        self._refuse_other(checksums)
        there, intact = list(self._journal.rows.values()), {}
        for number, row in enumerate(there, start=1):
            if all(self._strip(row, layer).intact() for layer in range(len(self._outputs))):
                intact[row.row] = row
            self._report("checking", number, len(there))
        with self._writing():
            self._journal.start({**self._settings, **checksums}, intact)
            self._tidy()
        return intact.keys()

    def write(self, tile: ClearedTile) -> None:
        """Write a tile; with the last one of its row, finish the strip.

        Raises:
            FileError: if the disk is full.
        """
        if self._draft is None:
            strip = Box(tile.box.row, 0, tile.box.height, self._width)
            files = [self._file(strip.row, layer) for layer in range(len(self._outputs))]
            self._draft = _Draft(strip, files, self._layouts, self._outputs[0].name)
        self._draft.write(tile)
        if tile.box.right == self._width:
            row = self._draft.finish()
            self._draft = None
            with self._writing():
                self._journal.add(row)

    def publish(self, describe: Callable[[Mapping[Path, Path]], Mapping[Path, str]]) -> None:
        """Make the outputs of the strips, read them back and give them their names, the last one first.

        Args:
            describe: makes texts that belong to the outputs, by their names, from the finished file of each output.

        Raises:
            FileError: if the disk is full or an output does not read back as written.
        """
        rows = sorted(self._journal.rows.values(), key=lambda row: row.row)
        pixels = len(self._outputs) * self._written[0].width * self._written[0].height
        checked = 0

        def check(count: int) -> None:
            nonlocal checked
            checked += count
            self._report("writing", checked, pixels)

        self._report("writing", 0, pixels)
        finished = {}
        # A scene under its final name is whole: what belongs to it is there before.
        for layer in reversed(range(len(self._outputs))):
            file, output = self._folder / f"whole_{layer}.tif", self._outputs[layer]
            write_cog(file, self._written[layer], self._on_grid(rows, layer), output.name, check)
            finished[file] = output
        with self._writing():
            texts = describe({name: file for file, name in reversed(finished.items())})
            beside = {self._folder / f"text_{number}": name for number, name in enumerate(texts)}
            for file, name in beside.items():
                file.write_text(texts[name])
            finished = beside | finished
            self._journal.finish(finished)
        publish(finished)
        self._published = True

    def _on_grid(self, rows: Sequence[Row], layer: int) -> list[Strip]:
        """The strips of a layer, on the grid that is written; of the layers the last is asked for first."""
        strips = [self._strip(row, layer) for row in rows]
        source, target = self._layouts[layer], self._written[layer]
        if source is target:
            return strips
        file, others = self._folder / f"resampled_{layer}.tif", self._folder / f"resampled_{layer + 1}.tif"
        # Reflectance comes first, and its quality, which knows where there is data, next to it.
        valid = others if source.overviews == "AVERAGE" else None
        return [resample(file, source, strips, target, self._outputs[layer].name, valid)]

    def _file(self, row: int, layer: int) -> Path:
        return self._folder / f"{row:08}_{layer}.tif"

    def _strip(self, row: Row, layer: int) -> Strip:
        checksums = {Box(row.row, column, row.height, width): sums[layer] for column, width, sums in row.tiles}
        return Strip(self._file(row.row, layer), Box(row.row, 0, row.height, self._width), checksums)

    def _refuse_other(self, subject: Mapping[str, Any]) -> None:
        other = self._journal.differences(subject)
        if self._journal.rows and other and not self._overwrite:
            raise OutputExistsError(
                f"{self._outputs[0]}: an interrupted run had begun it otherwise: {', '.join(other)}; "
                "repeat the command of that run to go on from there, or give --overwrite to start over"
            )
        if other:
            self._journal.rows.clear()

    def _tidy(self) -> None:
        """Remove what is not finished."""
        kept = [self._file(row, layer) for row in self._journal.rows for layer in range(len(self._outputs))]
        empty(self._folder, self._folder / JOURNAL, *kept)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise FileError(
                f"{self._outputs[0].name}: cannot be written ({error.strerror}); check the disk and its free space"
            ) from error


class _Draft:
    """A strip in the making: a file for each layer of the tiles."""

    def __init__(self, box: Box, files: list[Path], profiles: list[Profile], output: str) -> None:
        self._box = box
        self._writers: list[StripWriter] = []
        self._valid = self._changed = self._cloud = 0
        for file, profile in zip(files, profiles, strict=True):
            self._writers.append(StripWriter(file, profile, box, output))

    def write(self, tile: ClearedTile) -> None:
        for writer, pixels in zip(self._writers, tile.layers, strict=True):
            writer.write(tile.box, pixels)
        self._valid += tile.valid
        self._changed += tile.changed
        self._cloud += tile.cloud

    def finish(self) -> Row:
        strips = [writer.finish() for writer in self._writers]
        tiles = [(box.column, box.width, [strip.checksums[box] for strip in strips]) for box in strips[0].checksums]
        return Row(self._box.row, self._box.height, self._valid, self._changed, self._cloud, tiles)

    def close(self) -> None:
        for writer in self._writers:
            writer.close()
