"""Grids of the whole scene that its tiles need, by cells: statistics, the network's context, and the filled-in ground.

All of it is kept on the disk; in memory are one channel of the cells, or a few rows of all channels.
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
from unclouded.clearing.context.relighting import Shade, light_beside_sunlit, light_everywhere, relit
from unclouded.clearing.grid_file import GridFile, RowBuffer, RowCache
from unclouded.models.generator import STATISTICS, VALID_SHARE, Generator, expand, guide_share_of
from unclouded.models.observation import CELL, conditioning_of, reduce_uniform
from unclouded.progress import Progress, silent
from unclouded.tiles import Box, cut

CELL_ALIGNMENT = 4
"""Alignment of the tiles of the context, in cells: the context network downsamples twice by 2."""

_PRIOR = 0.15
"""Reflectance of the fill of a scene without any clear ground; the fill has no weight then."""

_MIN_TRUST = np.float32(0.01)
"""Factor on the trust in a cell that a mask covers: not 0, so that it counts where the scene has no other."""


class ContextBuilder:
    """Collects the statistics of a scene's cells block by block, and computes the grids that its tiles need."""

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
            masked: whether the means of unmasked pixels are added besides the statistics, since a mask was given.
            progress: of cells encoded, and of channels spread or filled in.
        """
        self._generator, self._folder, self._report = generator, folder, progress or silent
        size = -(-height // CELL), -(-width // CELL)
        self._statistics = RowBuffer(GridFile(*size, folder, STATISTICS + generator.takes_cover))
        self._clear = RowBuffer(GridFile(*size, folder, len(NAMES) + 1)) if masked else None

    def add(self, box: Box, cells: NDArray[np.float32], clear: NDArray[np.float32] | None = None) -> None:
        """Add the cells of a block; blocks come row by row, from left to right.

        Args:
            box: the block, in pixels.
            cells: (1, S, h, w) statistics of the cells.
            clear: (1, 14, h, w) means of their unmasked pixels in 13 bands, and the share of these pixels.

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
            trust_factor: (h, w) factor on the network's trust in the cells; 1 unless given.
            cover: (h, w) of the cells, see `Observation.cover`; ignored by networks that do not take it.

        Raises:
            FileError: if the disk is full.
        """
        cells, device = self._statistics.grid, self._generator.device
        features, trust = self._encoded(bands_and_level, size, offset, cover)

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

    def _encoded(
        self, bands_and_level: Tensor, size: int, offset: tuple[int, int], cover: NDArray[np.float32] | None
    ) -> tuple[GridFile, Tensor]:
        """The context network's features of the cells (F, h, w), and its trust in them (1, 1, h, w)."""
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
        return features, trust

    def fill(self, cover: NDArray[np.float32], shade: Shade | None = None) -> GridFile:
        """Fill in the ground by the scene's clear ground, (16, h, w).

        The channels are 13 bands, the clear share around, the share of light, and the certainty of `Shade`.

        See `clearing.context.ground`.

        Args:
            cover: (h, w) certainty that a part of the cell is covered.
            shade: of a cloud outside of the scene. Where it is everywhere, the ground is corrected to full light.

        Raises:
            FileError: if the disk is full.
        """
        statistics = self._statistics.grid
        filled = GridFile(statistics.height, statistics.width, self._folder)
        valid = torch.from_numpy(statistics.channel(VALID_SHARE)[None, None])
        share = valid if self._clear is None else torch.from_numpy(self._clear.grid.channel(len(NAMES))[None, None])
        # Squared, so that a little doubt leaves most of the weight, and much doubt next to none.
        weight = share * torch.from_numpy((1 - cover) ** 2)
        prior = torch.full((1,), _PRIOR)
        clear = clear_share(weight, valid)

        def means(band: int) -> Tensor:
            if self._clear is None:
                return expand(torch.from_numpy(statistics.channel(band)[None, None]))
            return torch.from_numpy(self._clear.grid.channel(band)[None, None])

        def ground(band: int) -> Tensor:
            return fill_ground(means(band), weight, prior)

        light, known = torch.ones_like(weight), torch.zeros_like(weight)
        if shade is not None:
            known, infrared = torch.from_numpy(shade.certainty)[None, None], INDEX["B08"]
            if shade.everywhere:
                light = light_everywhere(ground(infrared), shade.level)
            else:
                light = light_beside_sunlit(means(infrared), ground(infrared), clear, known * share, shade.level)
        for band, name in enumerate(NAMES):
            made = ground(band)
            if shade is not None and shade.everywhere:
                made = relit(made, light, shade.level, [name])
            filled.add(made[0, 0].numpy())
            self._report("filling in ground", filled.channels, len(NAMES))
        for last in (clear, light, known):
            filled.add(last[0, 0].numpy())
        return filled

    def trust_factor_of_mask(self) -> NDArray[np.float32] | None:
        """Factor on the trust in each cell (h, w) by the mask; None without one."""
        return None if self._clear is None else np.maximum(self._unmasked(self._clear) ** 2, _MIN_TRUST)

    def _with_mask(self, cover: NDArray[np.float32]) -> NDArray[np.float32]:
        """The cover (h, w) of the cells, joined with that of the mask."""
        return cover if self._clear is None else np.maximum(cover, 1 - 2 * self._unmasked(self._clear))

    def _unmasked(self, clear: RowBuffer) -> NDArray[np.float32]:
        """Share of the valid pixels of each cell (h, w) that the mask does not cover."""
        valid, unmasked = self._statistics.grid.channel(VALID_SHARE), clear.grid.channel(len(NAMES))
        return np.asarray(unmasked / np.maximum(valid, np.float32(1e-3)), np.float32)

    def close(self) -> None:
        """Delete the temporary files."""
        self._statistics.grid.close()
        if self._clear is not None:
            self._clear.grid.close()


class SceneGrids(NamedTuple):
    """Grids of a whole scene that its tiles need, on the disk.

    Attributes:
        context: (K, h, w) on the grid of the cells, for the network.
        evidence: (4, h, w) of cover on the detector's grid, see `detection.opacity.evidence`; None without a detector.
        fill: (16, h, w) on the grid of the cells, see `ContextBuilder.fill`; None without a detector.
        factor: side of a pixel of the detector's grid in pixels of the scene.
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
        """Read all of them."""
        context = self.context.rows(0, self.context.height)[None]
        if self.evidence is None or self.fill is None:
            return SceneArrays(context, None, None, self.factor)
        evidence = self.evidence.rows(0, self.evidence.height)[None]
        return SceneArrays(context, evidence, self.fill.rows(0, self.fill.height)[None], self.factor)

    def windows(self) -> Callable[[Box], tuple[NDArray[np.float32], Cover | None]]:
        """A function that reads the context and the cover of a tile, by its box."""
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
    """Reads the cells under boxes of pixels from a grid, through a `RowCache`."""

    def __init__(self, grid: GridFile, side: int) -> None:
        """Read from `grid`, whose cells are `side` x `side` pixels."""
        self._rows, self._height, self._side = RowCache(grid), grid.height, side

    def __call__(self, box: Box) -> NDArray[np.float32]:
        """Read the cells (1, C, h, w) that a box of the scene touches."""
        rows, columns = box.cells(self._side)
        height, width = min(rows.stop, self._height) - rows.start, columns.stop - columns.start
        return self._rows.window(rows.start, columns.start, height, width)[None]
