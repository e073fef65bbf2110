"""What must be known of the whole scene before a tile can be cleared, on the grid of its cells.

The statistics of the cells, the context that the network takes, and the scene's clear ground filled in. All of it stays
on the disk; in memory are one channel of the cells, or a few rows of all channels.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unclouded.bands import INDEX, NAMES
from unclouded.clearing.context.cover import Cover
from unclouded.clearing.context.ground import clear_share, fill_ground
from unclouded.clearing.context.relighting import light_share, relit
from unclouded.clearing.grid_file import GridFile, RowBuffer
from unclouded.models.generator import STATISTICS, VALID_SHARE, Generator, expand, guide_share_of
from unclouded.models.observation import CELL, conditioning_of, reduce_uniform
from unclouded.progress import Progress, silent
from unclouded.tiles import Box, cut

CELL_ALIGNMENT = 4
"""Cells that every tile of the context starts at a multiple of: the context network halves twice."""

_PRIOR = 0.15
"""Reflectance that is taken for ground where a scene shows none at all, which then counts for nothing."""

_KEPT = np.float32(0.01)
"""What a mask that covers a cell leaves of the trust in it: it is heeded where the scene shows nothing else."""


class ContextBuilder:
    """Takes the statistics of a scene's cells, block by block, and makes of them what its tiles have to know."""

    def __init__(
        self,
        generator: Generator,
        height: int,
        width: int,
        folder: Path | None,
        *,
        masked: bool = False,
        progress: Progress | None = None,
    ) -> None:
        """Build for a scene of `height` x `width` pixels with files in `folder`, or where temporary files go.

        Args:
            generator: the network.
            height: rows of the scene.
            width: columns of the scene.
            folder: for the files.
            masked: whether the clear ground of cells comes apart from their statistics, since a mask was given.
            progress: of cells encoded, and of channels spread or filled in.
        """
        self._generator, self._folder, self._report = generator, folder, progress or silent
        size = -(-height // CELL), -(-width // CELL)
        self._statistics = RowBuffer(GridFile(*size, folder, STATISTICS + generator.takes_cover))
        self._clear = RowBuffer(GridFile(*size, folder, len(NAMES) + 1)) if masked else None

    def add(self, box: Box, cells: NDArray[np.float32], clear: NDArray[np.float32] | None = None) -> None:
        """Take what is known of the cells of a block; blocks come row by row, from left to right.

        Args:
            box: the block, in pixels.
            cells: (1, S, h, w) their statistics.
            clear: (1, 14, h, w) means of their pixels that no mask covers, 13 bands, and the share of these pixels.

        Raises:
            FileError: if the disk is full.
        """
        self._statistics.add(box.row // CELL, box.column // CELL, cells[0])
        if self._clear is not None and clear is not None:
            self._clear.add(box.row // CELL, box.column // CELL, clear[0])

    def context(
        self,
        bands_and_level: Tensor,
        size: int,
        offset: tuple[int, int],
        trust_factor: NDArray[np.float32] | None = None,
        cover: NDArray[np.float32] | None = None,
    ) -> GridFile:
        """Encode the cells and spread the clear ground over the scene: the context of its tiles, (K, h, w).

        Args:
            bands_and_level: (1, 14) of the scene, see `Observation`.
            size: cells along the tiles that the context network takes.
            offset: rows and columns of cells by which the tiles start before the scene's corner.
            trust_factor: (h, w) what is left of the network's trust in the cells; all of it unless given.
            cover: (h, w) of the cells, see `Observation.cover`; used by networks that take it.

        Raises:
            FileError: if the disk is full.
        """
        cells, device = self._statistics.grid, self._generator.device
        if cover is not None:
            cover = self._with_mask(cover) if self._generator.takes_cover else None
        trust = torch.empty(1, 1, cells.height, cells.width)
        features = GridFile(cells.height, cells.width, self._folder, self._generator.settings.features)
        rows = strip = np.empty((0, 0, 0), np.float32)
        margin = self._generator.context.margin
        for tile in cut(cells.height, cells.width, size=size, margin=margin, step=CELL_ALIGNMENT, offset=offset):
            inner, padded = tile.inner, tile.padded
            if inner.column == 0:
                rows = strip = np.empty((0, 0, 0), np.float32)  # the last rows go before the next ones come
                rows = cells.rows(padded.row, padded.bottom)
                strip = np.empty((features.channels, inner.height, cells.width), np.float32)
            statistics = torch.from_numpy(rows[None, ..., padded.column : padded.right].copy())
            if cover is not None:
                statistics[:, STATISTICS] = torch.from_numpy(cover[padded.slices])
            share = reduce_uniform(guide_share_of(statistics)).to(device)
            encoded = self._generator.context(statistics.to(device), conditioning_of(bands_and_level, share))
            crop = (..., *inner.within(padded).slices)
            trust[(..., *inner.slices)] = encoded.trust[crop].cpu()
            strip[..., inner.column : inner.right] = encoded.features[crop][0].cpu().numpy()
            if inner.right == cells.width:
                features.write_rows(inner.row, strip)
                self._report("encoding the scene", inner.bottom * cells.width, cells.height * cells.width)

        def channel(file: GridFile, number: int) -> Tensor:
            return torch.from_numpy(file.channel(number)[None, None]).to(device)

        if trust_factor is not None:
            trust *= torch.from_numpy(trust_factor)
        context = GridFile(cells.height, cells.width, self._folder)
        for made in self._generator.context_channels(
            lambda number: channel(cells, number), trust.to(device), lambda number: channel(features, number)
        ):
            context.add(made[0, 0].cpu().numpy())
            self._report("spreading ground", context.channels, self._generator.context_channel_count)
        features.close()
        return context

    def fill(self, cover: NDArray[np.float32], shaded_level: str | None = None) -> GridFile:
        """Fill the scene's clear ground in, (15, h, w): 13 bands, how much is clear around, and the share of light.

        See `clearing.context.ground`.

        Args:
            cover: (h, w) how surely something covers a part of each cell.
            shaded_level: "L1C" or "L2A" of a scene that lies in shadow: its ground is brought to full light, see
                `clearing.context.relighting`. Otherwise the share of light is 0: it is not told.

        Raises:
            FileError: if the disk is full.
        """
        statistics = self._statistics.grid
        filled = GridFile(statistics.height, statistics.width, self._folder)
        valid = torch.from_numpy(statistics.channel(VALID_SHARE)[None, None])
        share = valid if self._clear is None else torch.from_numpy(self._clear.grid.channel(len(NAMES))[None, None])
        # A little doubt leaves most of the weight, much doubt next to none.
        weight = share * torch.from_numpy((1 - cover) ** 2)
        prior = torch.full((1,), _PRIOR)

        def ground(band: int) -> Tensor:
            if self._clear is None:
                means = expand(torch.from_numpy(statistics.channel(band)[None, None]))
            else:
                means = torch.from_numpy(self._clear.grid.channel(band)[None, None])
            return fill_ground(means, weight, prior)

        light = torch.zeros_like(weight)
        if shaded_level is not None:
            light = light_share(ground(INDEX["B08"]), shaded_level)
        for band, name in enumerate(NAMES):
            made = ground(band)
            if shaded_level is not None:
                made = relit(made, light, shaded_level, [name])
            filled.add(made[0, 0].numpy())
            self._report("filling in ground", filled.channels, len(NAMES))
        filled.add(clear_share(weight, valid)[0, 0].numpy())
        filled.add(light[0, 0].numpy())
        return filled

    def trust_factor_of_mask(self) -> NDArray[np.float32] | None:
        """What a mask that was given leaves of the trust in each cell (h, w); None without one."""
        return None if self._clear is None else np.maximum(self._unmasked(self._clear) ** 2, _KEPT)

    def _with_mask(self, cover: NDArray[np.float32]) -> NDArray[np.float32]:
        """The cover (h, w) of the cells, by the user's mask too."""
        return cover if self._clear is None else np.maximum(cover, 1 - 2 * self._unmasked(self._clear))

    def _unmasked(self, clear: RowBuffer) -> NDArray[np.float32]:
        """How much of the valid pixels of each cell (h, w) the mask that was given leaves bare."""
        valid, bare = self._statistics.grid.channel(VALID_SHARE), clear.grid.channel(len(NAMES))
        return np.asarray(bare / np.maximum(valid, np.float32(1e-3)), np.float32)

    def close(self) -> None:
        """Delete the temporary files."""
        self._statistics.grid.close()
        if self._clear is not None:
            self._clear.grid.close()


class SceneGrids(NamedTuple):
    """What the tiles of a scene have to know of all of it, on the disk.

    Attributes:
        context: (K, h, w) on the grid of the cells, for the network.
        evidence: (3, h, w) of cover on the detector's grid, see `detection.opacity.evidence`; None without a detector.
        fill: (15, h, w) on the grid of the cells, see `ContextBuilder.fill`; None likewise.
        factor: pixels along one of the detector's.
    """

    context: GridFile
    evidence: GridFile | None
    fill: GridFile | None
    factor: int

    def close(self) -> None:
        """Delete the temporary files."""
        for grid in (self.context, self.evidence, self.fill):
            if grid is not None:
                grid.close()

    def in_memory(self) -> SceneArrays:
        """All of it."""
        context = self.context.rows(0, self.context.height)[None]
        if self.evidence is None or self.fill is None:
            return SceneArrays(context, None, None, self.factor)
        evidence = self.evidence.rows(0, self.evidence.height)[None]
        return SceneArrays(context, evidence, self.fill.rows(0, self.fill.height)[None], self.factor)

    def windows(self) -> Callable[[Box], tuple[NDArray[np.float32], Cover | None]]:
        """What gives the context and the cover of a tile, by its box."""
        context = GridRows(self.context, CELL)
        if self.evidence is None or self.fill is None:
            return lambda box: (context(box), None)
        evidence, fill = GridRows(self.evidence, self.factor), GridRows(self.fill, CELL)
        return lambda box: (context(box), Cover(evidence(box), fill(box)))


class SceneArrays(NamedTuple):
    """`SceneGrids` in memory, (1, C, h, w) each."""

    context: NDArray[np.float32]
    evidence: NDArray[np.float32] | None
    fill: NDArray[np.float32] | None
    factor: int

    def crop(self, box: Box) -> tuple[NDArray[np.float32], Cover | None]:
        """The context and the cover of a tile, by its box."""
        cells = self.context[(..., *box.cells(CELL))]
        if self.evidence is None or self.fill is None:
            return cells, None
        return cells, Cover(self.evidence[(..., *box.cells(self.factor))], self.fill[(..., *box.cells(CELL))])


class GridRows:
    """Windows of a grid, of which the rows that were last read stay in memory."""

    def __init__(self, grid: GridFile, side: int) -> None:
        """Read from `grid`, whose cells are `side` pixels long."""
        self._grid, self._side = grid, side
        self._first, self._held = 0, grid.rows(0, 0)

    def __call__(self, box: Box) -> NDArray[np.float32]:
        """Read the cells (1, C, h, w) that a box of the scene touches."""
        rows, columns = box.cells(self._side)
        start, stop = rows.start, min(rows.stop, self._grid.height)
        if not self._first <= start <= stop <= self._first + self._held.shape[1]:
            self._first, self._held = start, self._grid.rows(start, stop)
        return self._held[None, :, start - self._first : stop - self._first, columns]
