"""The passes over a scene in their order: its blocks summarised, the context made of them, its tiles cleared."""

from __future__ import annotations

import time
from collections import abc
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unclouded.clearing.context_builder import CELL_ALIGNMENT, ContextBuilder, ContextRows
from unclouded.clearing.executor import Executor, LocalExecutor
from unclouded.clearing.grid_file import GridFile
from unclouded.clearing.inputs import SceneInputs
from unclouded.clearing.options import ClearOptions, TileOptions
from unclouded.clearing.summaries import Summary, blocks_of
from unclouded.errors import InputError
from unclouded.models.generator import CELL, Generator
from unclouded.progress import Progress, silent
from unclouded.tiles import Tile, cut
from unclouded.writing.strips import ClearedTile
from unclouded.writing.writer import checksum

_CONTEXT_TILES = 4
"""How many times more cells than a tile's the context network takes at once: they are few against pixels."""


class Clearing:
    """The clearing of one scene: `survey` it, then clear its `tiles`, by a `LocalExecutor` or another.

    What grows with the scene lies in `folder`, or where temporary files go.
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
        self._seconds_context = 0.0
        self._generator = generator
        self._local = LocalExecutor(inputs, generator, options, tiling)
        self._executor: Executor = executor or self._local
        self._folder = folder
        self._report = progress or silent
        self._surveyed: tuple[ContextBuilder, Tensor] | None = None

    @property
    def seconds_network(self) -> float:
        """Seconds that the network took in this process."""
        return self._seconds_context + self._local.seconds_network

    def survey(self) -> dict[str, int]:
        """Read the scene once, for what the network has to know of all of it; return checksums of all that was read.

        Raises:
            InputError: if no pixel holds data.
            FileError: if the scene cannot be read, or the disk does not take what is known of it.
        """
        with closing(self._executor.summarise(self.blocks())) as summaries:
            return self._gather(summaries)

    def _gather(self, summaries: Iterable[Summary]) -> dict[str, int]:
        read = {"pixels": 0, "radar pixels": 0}
        height, width = self.info.height, self.info.width
        builder = ContextBuilder(self._generator, height, width, self._folder)
        bands_and_level = torch.empty(0)
        done = valid = 0
        for block, summary in zip(self.blocks(), summaries, strict=True):
            builder.add(block.inner, summary.cells)
            bands_and_level = torch.tensor(summary.bands_and_level, device=self._generator.device)
            valid += summary.valid
            for name, found in zip(read, summary.checksums, strict=True):
                read[name] = checksum(np.array([found], np.uint32), read[name])
            done += block.inner.height * block.inner.width
            self._report("surveying", done, height * width)
        if not valid:
            raise InputError(
                f"{self.info.source}: every pixel is no-data ({self.info.encoding.nodata}) or not a number; "
                "give a scene that holds data, or correct its no-data value"
            )
        self._surveyed = builder, bands_and_level
        return read

    def context(self, summaries: Iterable[Summary]) -> NDArray[np.float32]:
        """What the network knows of the whole scene, (1, K, h, w) on the grid of its cells.

        Args:
            summaries: of all `blocks`, in their order.

        Raises:
            InputError: if no pixel holds data.
            FileError: if the disk does not take what is known of the scene.
        """
        self._gather(summaries)
        with closing(self._context()) as context:
            return context.rows(0, context.height)[None]

    def tiles(self, finished: Collection[int] = ()) -> abc.Generator[ClearedTile, None, None]:
        """Clear the scene tile by tile, and survey it first unless that is done.

        Args:
            finished: first rows of the rows of tiles that are not wanted.

        Raises:
            InputError: if no pixel holds data.
            FileError: if the scene cannot be read.
        """
        if self._surveyed is None:
            self.survey()
        wanted = [tile for tile in self.cuts() if tile.inner.row not in finished]
        if not wanted:
            return
        pixels = self.info.height * self.info.width
        done = pixels - sum(tile.inner.height * tile.inner.width for tile in wanted)
        with closing(self._context()) as context:
            around = ContextRows(context)
            tasks = ((tile, around(tile.padded)) for tile in wanted)
            with closing(self._executor.clear(tasks)) as tiles:
                for cleared in tiles:
                    yield cleared
                    done += cleared.dn[0].size
                    self._report("clearing", done, pixels)

    @torch.inference_mode()
    def _context(self) -> GridFile:
        """What the network knows of the whole surveyed scene, on the grid of its cells."""
        assert self._surveyed is not None
        builder, bands_and_level = self._surveyed
        self._surveyed = None
        started = time.perf_counter()
        offset = (self._tiling.offset[0] // CELL, self._tiling.offset[1] // CELL)
        context = builder.context(bands_and_level, self._tiling.size // CELL * _CONTEXT_TILES, offset)
        self._seconds_context += time.perf_counter() - started
        return context

    def blocks(self) -> Iterator[Tile]:
        """Cut the scene into the blocks that are summarised."""
        return blocks_of(self.info.height, self.info.width)

    def cuts(self) -> Iterator[Tile]:
        """Cut the scene into the tiles that are cleared."""
        height, width, margin = self.info.height, self.info.width, self._generator.margin
        return cut(height, width, size=self._tiling.size, margin=margin, step=CELL, offset=self._tiling.offset)
