"""What the network must know of the whole scene before it sees a tile: the statistics of its cells, and the context.

Both stay on the disk; in memory are one channel of the cells, or a few rows of all channels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unclouded.clearing.grid_file import GridFile
from unclouded.models.generator import (
    CELL,
    STATISTICS,
    Generator,
    conditioning_of,
    guide_share_of,
    reduce_uniform,
)
from unclouded.tiles import Box, cut

CELL_ALIGNMENT = 4
"""Cells that every tile of the context starts at a multiple of: the context network halves twice."""


class ContextBuilder:
    """Takes the statistics of a scene's cells, block by block, and makes the context of its tiles."""

    def __init__(self, generator: Generator, height: int, width: int, folder: Path | None) -> None:
        """For a scene of `height` x `width` pixels with files in `folder`, or where temporary files go."""
        self._generator, self._folder = generator, folder
        self._statistics = GridFile(-(-height // CELL), -(-width // CELL), folder, STATISTICS)
        self._rows = np.empty((STATISTICS, 0, 0), np.float32)

    def add(self, inner: Box, cells: NDArray[np.float32]) -> None:
        """Take the statistics (1, S, h, w) of a block; blocks come row by row, from left to right.

        Raises:
            FileError: if the disk does not take them.
        """
        high, wide = cells.shape[2:]
        row, column = inner.row // CELL, inner.column // CELL
        if column == 0:
            self._rows = np.empty((STATISTICS, high, self._statistics.width), np.float32)
        self._rows[..., column : column + wide] = cells[0]
        if column + wide == self._statistics.width:
            self._statistics.write_rows(row, self._rows)

    def context(self, bands_and_level: Tensor, size: int, offset: tuple[int, int]) -> GridFile:
        """Encode the cells and spread the clear ground over the scene: the context of its tiles, (K, h, w).

        Args:
            bands_and_level: (1, 14) of the scene, see `Observation`.
            size: cells along the tiles that the context network takes.
            offset: rows and columns of cells by which the tiles start before the scene's corner.

        Raises:
            FileError: if the disk does not take it.
        """
        cells, device = self._statistics, self._generator.device
        trust = torch.empty(1, 1, cells.height, cells.width)
        features = GridFile(cells.height, cells.width, self._folder, self._generator.settings.features)
        seen = strip = np.empty((0, 0, 0), np.float32)
        margin = self._generator.context.margin
        for tile in cut(cells.height, cells.width, size=size, margin=margin, step=CELL_ALIGNMENT, offset=offset):
            inner, padded = tile.inner, tile.padded
            if inner.column == 0:
                seen = cells.rows(padded.row, padded.bottom)
                strip = np.empty((features.channels, inner.height, cells.width), np.float32)
            statistics = torch.from_numpy(seen[None, ..., padded.column : padded.right].copy())
            share = reduce_uniform(guide_share_of(statistics)).to(device)
            encoded = self._generator.context(statistics.to(device), conditioning_of(bands_and_level, share))
            crop = (..., *inner.within(padded).slices)
            trust[(..., *inner.slices)] = encoded.trust[crop].cpu()
            strip[..., inner.column : inner.right] = encoded.features[crop][0].cpu().numpy()
            if inner.right == cells.width:
                features.write_rows(inner.row, strip)

        def channel(file: GridFile, number: int) -> Tensor:
            return torch.from_numpy(file.channel(number)[None, None]).to(device)

        context = GridFile(cells.height, cells.width, self._folder)
        for made in self._generator.context_channels(
            lambda number: channel(cells, number), trust.to(device), lambda number: channel(features, number)
        ):
            context.add(made[0, 0].cpu().numpy())
        features.close()
        cells.close()
        return context


class ContextRows:
    """Windows of a context, of which the rows that were last asked for stay in memory."""

    def __init__(self, context: GridFile) -> None:
        self._context = context
        self._span = (0, 0)
        self._rows = context.rows(0, 0)

    def __call__(self, box: Box) -> NDArray[np.float32]:
        """Read the cells (1, K, h, w) that a box of the scene touches."""
        rows, columns = cells_of(box)
        if (rows.start, rows.stop) != self._span:
            self._span = rows.start, rows.stop
            self._rows = self._context.rows(*self._span)
        return self._rows[None, ..., columns]


def crop_cells(context: NDArray[np.float32], box: Box) -> NDArray[np.float32]:
    """Cut the cells that `box` touches out of a scene's context (1, K, h, w)."""
    return context[(..., *cells_of(box))]


def cells_of(box: Box) -> tuple[slice, slice]:
    """Rows and columns of the cells that a box of pixels touches."""
    return slice(box.row // CELL, -(-box.bottom // CELL)), slice(box.column // CELL, -(-box.right // CELL))
