"""The passes over a scene in their order: its blocks summarised, the context made of them, its tiles cleared.

What other dates need, scipy among it, is imported where there are some: most scenes are cleared without.
"""

from __future__ import annotations

import time
from collections import abc
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from unclouded.allocator import give_back_freed_memory
from unclouded.clearing.context.context_builder import CELL_ALIGNMENT, SceneArrays, SceneGrids
from unclouded.clearing.context.cover import Cover, cell_cover, cell_cover_input, cell_trust_factor
from unclouded.clearing.context.scene_cover import CoverShares, SceneCover
from unclouded.clearing.context.scene_summary import SceneSummary, collect
from unclouded.clearing.context.summaries import Summary, blocks_of
from unclouded.clearing.detector.cover_detector import detector_factor
from unclouded.clearing.executor import Executor, LocalExecutor
from unclouded.clearing.inputs import SceneInputs, assumptions
from unclouded.clearing.options import ClearOptions, TileOptions
from unclouded.clearing.tiles.composition import crop_to_region
from unclouded.clearing.tiles.latent_sampling import margin_of
from unclouded.clearing.tiles.tile_pass import TileTask
from unclouded.detection.csmask import usable_bands
from unclouded.models.generator import Generator
from unclouded.models.observation import CELL
from unclouded.progress import Progress, silent
from unclouded.tiles import Box, Tile, cut
from unclouded.writing.strips import ClearedTile

if TYPE_CHECKING:
    from unclouded.clearing.context.other_dates import OtherDates
    from unclouded.references.verdicts import Verdict

_CONTEXT_TILES, _CONTEXT_CELLS = 8, 384
"""How many times more cells than a tile's the context network takes at once, as they are few against pixels; and how
many at most along a side: of a scene of 10,980 x 10,980, 512 took 0.4 GiB more than the tiles do."""


class Clearing:
    """The clearing of one scene, once: `summarise` it, then clear its `tiles`, by a `LocalExecutor` or another.

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
        options = options or ClearOptions()
        self.info = inputs.scene.info
        self.snow: float | None = None
        self._inputs, self._generator = inputs, generator
        self._folder, self._report = folder, progress or silent
        self._threshold = options.threshold_for(generator.inference)
        self._local = LocalExecutor(inputs, generator, options, tiling)
        self._executor: Executor = executor or self._local
        self._cover = SceneCover(inputs, generator, options, folder, self._report)
        self._summary: SceneSummary | None = None
        self._dates: OtherDates | None = None
        self._seconds_context = 0.0

    @property
    def seconds_network(self) -> float:
        """Seconds that the network took in this process."""
        return self._seconds_context + self._local.seconds_network

    @property
    def cover_shares(self) -> CoverShares:
        """How much of the scene is hazy, covered and dark, once its cover is detected."""
        return self._cover.shares

    def summarise(self) -> dict[str, int]:
        """Read the scene once, for what the network has to know of all of it; return checksums of all that was read.

        Raises:
            InputError: if no pixel holds data.
            FileError: if the scene cannot be read, or the disk is full.
        """
        with closing(self._executor.summarise(self.blocks())) as summaries:
            summary = self._collect(summaries)
        checksums = dict(summary.checksums)
        if self._inputs.references:
            checksums["reference pixels"] = self._open_dates(summary)
        return checksums

    def _collect(self, summaries: Iterable[Summary]) -> SceneSummary:
        self._summary = collect(
            summaries, self._inputs, self._generator, self._cover.detector, self._folder, self._report
        )
        self.snow = self._summary.snow
        return self._summary

    def _open_dates(self, summary: SceneSummary) -> int:
        """Detect what covers the references, if the scene may need them; return the checksum of what was read."""
        from unclouded.clearing.context.other_dates import OtherDates

        self._cover.detect(summary)
        # A detector's answer is corrected by other dates even where it found nothing; a mask's is final.
        if self._cover.detector is None and not self._any_replaced():
            return 0
        dates = OtherDates(self._inputs, self._generator, self._folder, self._report)
        self._cover.correct(dates)
        if self._any_replaced():
            self._dates = dates
        else:
            dates.close()
        return dates.checksum

    def _any_replaced(self) -> bool:
        return self._cover.any_replaced(self._threshold, (block.inner for block in self.blocks()))

    def grids(self, summaries: Iterable[Summary]) -> SceneArrays:
        """What the tiles have to know of the whole scene, in memory.

        Args:
            summaries: of all `blocks`, in their order.

        Raises:
            InputError: if no pixel holds data.
            FileError: if the disk is full.
        """
        summary = self._collect(summaries)
        with closing(self._grids(summary)) as grids:
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
        if self._summary is None:
            self.summarise()
        assert self._summary is not None
        region = self.info.region
        top = 0 if region is None else region.box.row
        wanted = [tile for tile in self.cuts() if max(tile.inner.row - top, 0) not in finished]
        if not wanted:
            return
        pixels = sum(tile.inner.height * tile.inner.width for tile in self.cuts())
        done = pixels - sum(tile.inner.height * tile.inner.width for tile in wanted)
        dates = self._dates
        with closing(self._grids(self._summary)) as grids, nullcontext() if dates is None else closing(dates):
            window = grids.windows()
            if dates is not None and grids.evidence is not None:
                dates.fit(grids.evidence, grids.factor)
            tasks = (self._task(tile, *window(tile.padded)) for tile in wanted)
            with closing(self._executor.clear(tasks)) as tiles:
                for cleared in tiles:
                    yield crop_to_region(cleared, self.info)
                    done += cleared.dn[0].size
                    self._report("clearing", done, pixels)

    def _task(self, tile: Tile, context: NDArray[np.float32], cover: Cover | None) -> TileTask:
        """The task of a tile, with the ground by other dates."""
        if self._dates is None or cover is None:
            return TileTask(tile, context, cover)
        from unclouded.clearing.context.other_dates import cells_around

        box = cells_around(tile.inner, (self.info.height, self.info.width), CELL)
        factor = detector_factor(self.info)
        evidence = cover.evidence[(..., *box.within(tile.padded).cells(factor))]
        return TileTask(tile, context, cover, self._dates.ground(box, evidence, self._threshold))

    @property
    def verdicts(self) -> list[Verdict]:
        """The verdict on each reference, once tiles are cleared."""
        return [] if self._dates is None else self._dates.verdicts

    @property
    def notes(self) -> tuple[str, ...]:
        """Of what was given beside the scene; verdicts on the references once tiles are cleared: a line each."""
        found = (*(verdict.reason for verdict in self.verdicts), "" if self._dates is None else self._dates.note)
        return (*self._inputs.notes, *assumptions(self._inputs.references), *filter(None, found))

    @property
    def missing_bands(self) -> tuple[tuple[str, ...], float]:
        """Bands that no other date has, and the share of the covered pixels of which the dates show the others."""
        return ((), 0.0) if self._dates is None else (self._dates.missing_bands, self._dates.predicted_share)

    @torch.inference_mode()
    def _grids(self, summary: SceneSummary) -> SceneGrids:
        """What the tiles have to know of the whole scene; takes over the files of `summary`."""
        self._cover.detect(summary)
        detected, evidence, factor = self._cover.detected, self._cover.evidence, detector_factor(self.info)
        # What the detector has freed does not fit what comes.
        if self._cover.detector is not None:
            self._cover.detector.release()
        give_back_freed_memory()
        trust_factor = None
        if detected is not None:
            trust_factor = cell_trust_factor(detected.probabilities, factor)
            detected.close()
        elif not usable_bands(self.info.bands):
            # By such bands the network does not tell cloud from ground either.
            trust_factor = summary.builder.trust_factor_of_mask()
        started = time.perf_counter()
        fill = cover = None
        if evidence is not None:
            shade = self._cover.shade
            sunlit = shade is None or not shade.everywhere
            fill = summary.builder.fill(cell_cover(evidence, factor, shadow=sunlit), shade)
            cover = cell_cover_input(evidence, factor)
        offset = (self._tiling.offset[0] // CELL, self._tiling.offset[1] // CELL)
        size = min(self._tiling.size // CELL * _CONTEXT_TILES, _CONTEXT_CELLS)
        context = summary.builder.context(summary.bands_and_level, size, offset, trust_factor, cover)
        summary.builder.close()
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
