"""The passes over a scene in their order: its blocks summarised, the context made of them, its tiles cleared.

What other dates need, scipy among it, is imported where there are some: most scenes are cleared without.
"""

from __future__ import annotations

import time
from collections import abc
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unclouded.allocator import give_back_freed_memory
from unclouded.clearing.context.context_builder import CELL_ALIGNMENT, ContextBuilder, SceneArrays, SceneGrids
from unclouded.clearing.context.cover import (
    Cover,
    cell_cover,
    cell_told,
    cell_trusted,
    covered_share,
    dark_share,
    detector_for,
    evidence_of,
    evidence_unseen,
    hazy_share,
    in_rows,
    joined,
    wanted_cells,
)
from unclouded.clearing.context.summaries import Summary, blocks_of
from unclouded.clearing.detector.cover_detector import detector_factor
from unclouded.clearing.detector.detections import Detected, Subject, detected
from unclouded.clearing.executor import Executor, LocalExecutor
from unclouded.clearing.grid_file import GridFile, RowBuffer
from unclouded.clearing.inputs import SceneInputs, assumptions
from unclouded.clearing.options import ClearOptions, TileOptions
from unclouded.clearing.tiles.composition import of_region
from unclouded.clearing.tiles.latent_sampling import margin_of
from unclouded.clearing.tiles.tile_pass import TileTask
from unclouded.detection.classes import covered
from unclouded.detection.csmask import readable
from unclouded.detection.opacity import may_be_covered
from unclouded.errors import InputError
from unclouded.models.generator import Generator
from unclouded.models.observation import CELL
from unclouded.progress import Progress, silent
from unclouded.tiles import Box, Tile, cut
from unclouded.writing.strips import ClearedTile
from unclouded.writing.writer import checksum

if TYPE_CHECKING:
    from unclouded.clearing.context.other_dates import OtherDates
    from unclouded.references.verdicts import Verdict

_CONTEXT_TILES, _CONTEXT_CELLS = 8, 384
"""How many times more cells than a tile's the context network takes at once, as they are few against pixels; and how
many at most along a side: of a scene of 10,980 x 10,980, 512 took 0.4 GiB more than the tiles do."""


class _Summarised(NamedTuple):
    """What the pass that reads a scene leaves; `reduced` is what the detector sees, if there is one, and its checksum.

    `called` is what the scene's classification says to that. Once the detector has run, its answer and what is made of
    it take the place of `reduced`; what a classification or other dates say of cover is joined with `detected`.
    """

    builder: ContextBuilder
    bands_and_level: Tensor
    reduced: GridFile | None
    seen: int
    called: GridFile | None
    detected: Detected | None = None
    evidence: GridFile | None = None


class Clearing:
    """The clearing of one scene: `summarise` it, then clear its `tiles`, by a `LocalExecutor` or another.

    What grows with the scene lies in `folder`, or where temporary files go.

    Attributes:
        info: of the scene.
        snow: share of the pixels that its classification calls snow, once it is summarised; None where nothing tells.
    """

    def __init__(
        self,
        inputs: SceneInputs,
        generator: Generator,
        options: ClearOptions | None = None,
        tiling: TileOptions | None = None,
        *,
        executor: Executor | None = None,
        folder: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._tiling = tiling = tiling or TileOptions()
        step = CELL * CELL_ALIGNMENT
        if tiling.size % step or any(value % step for value in tiling.offset):
            raise ValueError(f"{tiling}: size and offset must be multiples of {step}")
        self.info = inputs.scene.info
        self.snow: float | None = None
        self._seconds_context = 0.0
        self._generator, self._options = generator, options or ClearOptions()
        self._local = LocalExecutor(inputs, generator, options, tiling)
        self._executor: Executor = executor or self._local
        self._folder = folder
        self._report = progress or silent
        self._detector = detector_for(inputs, generator, self._options)
        self._masked = inputs.mask is not None
        self._inputs = inputs
        self._dates: OtherDates | None = None
        self._threshold = self._options.threshold_for(generator.inference)
        self._summarised: _Summarised | None = None
        self.hazy, self.seen, self.dark = 0.0, 0.0, 0.0

    @property
    def seconds_network(self) -> float:
        """Seconds that the network took in this process."""
        return self._seconds_context + self._local.seconds_network

    def summarise(self) -> dict[str, int]:
        """Read the scene once, for what the network has to know of all of it; return checksums of all that was read.

        Raises:
            InputError: if no pixel holds data.
            FileError: if the scene cannot be read, or the disk does not take what is known of it.
        """
        with closing(self._executor.summarise(self.blocks())) as summaries:
            read = self._gather(summaries)
        if self._inputs.references:
            from unclouded.clearing.context.other_dates import OtherDates

            read["reference pixels"] = 0
            # By the network or a mask alone, what nothing covers nobody need look up elsewhere.
            if self._detector is not None or self._anything_covered():
                dates = OtherDates(self._inputs, self._generator, self._folder, self._report)
                read["reference pixels"] = dates.checksum
                self._hold_against(dates)
                if self._anything_covered():
                    self._dates = dates
                else:
                    dates.close()
        return read

    def _hold_against(self, dates: OtherDates) -> None:
        """Have other dates correct what the detector found."""
        summarised = self._detect()
        if self._detector is None or summarised.detected is None:
            return
        told = dates.hold_against(summarised.detected, self._detector.bands)
        if told is not None:
            probabilities, clear = told
            summarised.detected.probabilities.close()
            self._weigh(summarised, summarised.detected._replace(probabilities=probabilities), clear)
            clear.close()

    def _weigh(self, summarised: _Summarised, detected: Detected, clear: GridFile | None = None) -> _Summarised:
        """Make evidence of the detector's answer."""
        if summarised.evidence is not None:
            summarised.evidence.close()
        evidence = evidence_of(detected.probabilities, self._folder, clear)
        wanted = wanted_cells(self.info)
        self.hazy, self.seen = hazy_share(evidence, wanted), covered_share(evidence, wanted)
        self.dark = dark_share(detected.probabilities, wanted)
        self._summarised = summarised._replace(reduced=None, called=None, detected=detected, evidence=evidence)
        return self._summarised

    def _anything_covered(self) -> bool:
        """Whether any pixel of the summarised scene may be replaced by what other dates show."""
        evidence = self._detect().evidence
        if evidence is None:
            return False  # what the network alone takes for cover, it fills by itself
        if any(may_be_covered(torch.from_numpy(rows)[None], self._threshold).any() for rows in in_rows(evidence)):
            return True
        mask = self._inputs.mask
        boxes = (block.inner for block in self.blocks())
        return mask is not None and any(
            covered(mask.read(box.row, box.column, box.height, box.width)).any() for box in boxes
        )

    def _detect(self) -> _Summarised:
        """Have the detector look at the summarised scene, unless it has."""
        summarised = self._summarised
        assert summarised is not None
        reduced, detector, kept = summarised.reduced, self._detector, self._inputs.detections
        if detector is not None and reduced is not None:
            seen = summarised.seen

            def make() -> Detected:
                return detected(detector, reduced, seen, self._folder, self._report)

            # Other bands than those of the scene were looked at: nobody else sees the same.
            if kept is None or self._inputs.detection is not None:
                answer = make()
            else:
                subject = Subject(self.info, self._inputs.files, self.info, detector)
                answer = kept.get(subject, self._folder, make, seen)
            if answer.reflectance is not reduced:
                reduced.close()
            if summarised.called is not None:
                alone = answer.probabilities
                answer = answer._replace(probabilities=joined(alone, summarised.called, self._folder))
                alone.close()
                summarised.called.close()
            return self._weigh(summarised, answer)
        if self._masked and summarised.evidence is None:
            evidence = evidence_unseen(self.info, self._generator, self._options, self._folder)
            summarised = summarised._replace(evidence=evidence)
        self._summarised = summarised
        return summarised

    def _gather(self, summaries: Iterable[Summary]) -> dict[str, int]:
        read = {"pixels": 0, "radar pixels": 0, "mask pixels": 0, "classification pixels": 0}
        height, width, factor = self.info.height, self.info.width, detector_factor(self.info)
        builder = ContextBuilder(
            self._generator, height, width, self._folder, masked=self._masked, progress=self._report
        )
        detector = self._detector
        reduced = None if detector is None else RowBuffer(detector.grid(self._folder))
        called = None
        if detector is not None and self._inputs.classification is not None:
            called = RowBuffer(detector.called(self._folder))
        bands_and_level = torch.empty(0)
        done = valid = wanted = seen = snow = told = 0
        for block, summary in zip(self.blocks(), summaries, strict=True):
            builder.add(block.inner, summary.cells, summary.clear)
            if detector is not None and reduced is not None and summary.reduced is not None:
                reduced.add(block.inner.row // detector.step, block.inner.column // detector.step, summary.reduced)
                seen = checksum(summary.reduced, seen)
            if called is not None and summary.called is not None:
                called.add(block.inner.row // factor, block.inner.column // factor, summary.called)
            snow, told = snow + summary.snow[0], told + summary.snow[1]
            bands_and_level = torch.tensor(summary.bands_and_level, device=self._generator.device)
            valid, wanted = valid + summary.valid[0], wanted + summary.valid[1]
            for name, found in zip(read, summary.checksums, strict=True):
                read[name] = checksum(np.array([found], np.uint32), read[name])
            done += block.inner.height * block.inner.width
            self._report("summarising", done, height * width)
        if not valid:
            value = "" if self.info.encoding.nodata is None else f" ({self.info.encoding.nodata})"
            raise InputError(
                f"{self.info.source}: every pixel is no-data{value} or not a number; "
                "give a scene that holds data, or correct its no-data value"
            )
        if not wanted:
            raise InputError(f"{self.info.source}: holds no data in the area that is wanted; give another area or date")
        self.snow = snow / told if told else None
        seen_grid, called_grid = (None if buffer is None else buffer.grid for buffer in (reduced, called))
        self._summarised = _Summarised(builder, bands_and_level, seen_grid, seen, called_grid)
        return read

    def grids(self, summaries: Iterable[Summary]) -> SceneArrays:
        """What the tiles have to know of the whole scene, in memory.

        Args:
            summaries: of all `blocks`, in their order.

        Raises:
            InputError: if no pixel holds data.
            FileError: if the disk does not take what is known of the scene.
        """
        self._gather(summaries)
        with closing(self._grids()) as grids:
            return grids.in_memory()

    def tiles(self, finished: Collection[int] = ()) -> abc.Generator[ClearedTile, None, None]:
        """Clear the scene, or the part of it that is wanted, tile by tile, and summarise it first unless that is done.

        The tiles are counted from the corner of what is wanted.

        Args:
            finished: first rows of the rows of tiles that are not needed.

        Raises:
            InputError: if no pixel holds data.
            FileError: if the scene cannot be read.
        """
        if self._summarised is None:
            self.summarise()
        region = self.info.region
        top = 0 if region is None else region.box.row
        wanted = [tile for tile in self.cuts() if max(tile.inner.row - top, 0) not in finished]
        if not wanted:
            return
        pixels = sum(tile.inner.height * tile.inner.width for tile in self.cuts())
        done = pixels - sum(tile.inner.height * tile.inner.width for tile in wanted)
        with closing(self._grids()) as grids, nullcontext() if self._dates is None else closing(self._dates):
            window = grids.windows()
            if self._dates is not None and grids.evidence is not None:
                self._dates.fit(grids.evidence, grids.factor)
            tasks = (self._task(tile, *window(tile.padded)) for tile in wanted)
            with closing(self._executor.clear(tasks)) as tiles:
                for cleared in tiles:
                    yield of_region(cleared, self.info)
                    done += cleared.dn[0].size
                    self._report("clearing", done, pixels)

    def _task(self, tile: Tile, context: NDArray[np.float32], cover: Cover | None) -> TileTask:
        """What a tile is cleared by, with what other dates say of it."""
        if self._dates is None or cover is None:
            return TileTask(tile, context, cover)
        from unclouded.clearing.context.other_dates import cells_around

        box = cells_around(tile.inner, (self.info.height, self.info.width), CELL)
        factor = detector_factor(self.info)
        evidence = cover.evidence[(..., *box.within(tile.padded).cells(factor))]
        return TileTask(tile, context, cover, self._dates.ground(box, evidence, self._threshold))

    @property
    def verdicts(self) -> list[Verdict]:
        """What was found of each reference, once tiles are cleared."""
        return [] if self._dates is None else self._dates.verdicts

    @property
    def notes(self) -> tuple[str, ...]:
        """What was assumed and found of the references, once tiles are cleared: a line each."""
        found = (*(verdict.reason for verdict in self.verdicts), "" if self._dates is None else self._dates.note)
        return (*assumptions(self._inputs.references), *filter(None, found))

    @property
    def lacking(self) -> tuple[tuple[str, ...], float]:
        """Bands that no other date has, and on what share of the covered pixels the dates show the others."""
        return ((), 0.0) if self._dates is None else (self._dates.lacking, self._dates.shown)

    @torch.inference_mode()
    def _grids(self) -> SceneGrids:
        """What the tiles have to know of the whole summarised scene."""
        summarised = self._detect()
        builder, bands_and_level = summarised.builder, summarised.bands_and_level
        answer, evidence = summarised.detected, summarised.evidence
        self._summarised = None
        # What the detector has freed does not fit what comes.
        if self._detector is not None:
            self._detector.release()
        give_back_freed_memory()
        fill, told, left, factor = None, None, None, detector_factor(self.info)
        if answer is not None:
            left = cell_trusted(answer.probabilities, factor)
            answer.close()
        elif not readable(self.info.bands):
            # By such bands the network does not tell cloud from ground either.
            left = builder.trusted_beside_mask()
        started = time.perf_counter()
        if evidence is not None:
            fill, told = builder.fill(cell_cover(evidence, factor)), cell_told(evidence, factor)
        offset = (self._tiling.offset[0] // CELL, self._tiling.offset[1] // CELL)
        size = min(self._tiling.size // CELL * _CONTEXT_TILES, _CONTEXT_CELLS)
        context = builder.context(bands_and_level, size, offset, left, told)
        builder.close()
        self._seconds_context += time.perf_counter() - started
        return SceneGrids(context, evidence, fill, factor)

    def blocks(self) -> Iterator[Tile]:
        """Cut the scene into the blocks that are summarised."""
        return blocks_of(self.info.height, self.info.width)

    def cuts(self) -> Iterator[Tile]:
        """Cut the scene into the tiles that are cleared: of those that hold nothing that is wanted, none."""
        height, width, margin = self.info.height, self.info.width, margin_of(self._generator)
        tiles = cut(height, width, size=self._tiling.size, margin=margin, step=CELL, offset=self._tiling.offset)
        if self.info.region is None:
            return tiles
        wanted, whole = self.info.region.box, Box(0, 0, height, width)
        row, column = wanted.row // CELL * CELL, wanted.column // CELL * CELL
        bottom, right = (-(-end // CELL) * CELL for end in (wanted.bottom, wanted.right))
        cells = Box(row, column, bottom - row, right - column).shared(whole)
        inner = (tile.inner.shared(cells) for tile in tiles if tile.inner.meets(cells))
        return (Tile(box, box.grown(margin, whole)) for box in inner)
