"""The passes over a scene: summarise its cells, survey them and spread the clear ground, translate its tiles."""

from __future__ import annotations

import time
from collections import abc
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unclouded.bands import INDEX
from unclouded.errors import InputError
from unclouded.files import QUALITY_BANDS
from unclouded.models.generator import CELL, Generator, Observation, Survey, pad_to_cells
from unclouded.reflectance import to_dn, to_reflectance
from unclouded.scene.info import SceneInfo
from unclouded.scene.overlap import ahead
from unclouded.scene.sampling import Sampled, latents, observe, sample
from unclouded.scene.tiles import Box, Tile, cut

TILE = 512
THRESHOLD = 0.1

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, the pixels done in it and the pixels that it has."""

_CELLS = 4
"""Cells that every tile of the survey starts at a multiple of: the context network halves twice."""

_SURVEY = 4
"""How many times more cells than a tile's the survey takes at once: they are few against pixels."""

_BLOCK = 1024
"""Side in pixels of what is read at once to be summarised; JPEG 2000 products are stored in such blocks."""


class Raster(Protocol):
    """What clearing needs of a scene: its description and windows of its DN (C, height, width)."""

    @property
    def info(self) -> SceneInfo:
        """What the scene is."""

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[Any]:
        """Read a window inside the grid."""


class Guide(Protocol):
    """Radar on the grid of a scene: windows (2, height, width) of VV and VH in dB, NaN where there is none."""

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[np.float32]:
        """Read a window inside the grid."""


@dataclass(frozen=True)
class ClearedTile:
    """One tile of the result.

    Attributes:
        box: where it lies in the scene.
        dn: (C, h, w) in the scene's own encoding.
        quality: (2, h, w) opacity and uncertainty, NaN where there is no data.
        valid: number of pixels that hold data.
        changed: how many of them were changed.
    """

    box: Box
    dn: NDArray[Any]
    quality: NDArray[np.float32]
    valid: int
    changed: int


@dataclass(frozen=True)
class _Window:
    """One tile as read: its DN, which of them hold data, and what the network sees."""

    tile: Tile
    dn: NDArray[Any]
    valid: NDArray[np.bool_]
    x: Observation

    @property
    def holds_data(self) -> bool:
        """Whether any pixel of the core is valid."""
        return bool(self.valid[self.tile.core.within(self.tile.outer).slices].any())


class Clearing:
    """The clearing of one scene; `tiles` does the work. The arguments are those of `clear_scene`."""

    def __init__(
        self,
        scene: Raster,
        generator: Generator,
        *,
        samples: int = 1,
        seed: int = 0,
        device: str = "cpu",
        threshold: float = THRESHOLD,
        radar: Guide | None = None,
        tile: int = TILE,
        batch: int = 1,
        tile_offset: tuple[int, int] = (0, 0),
        progress: Progress | None = None,
    ) -> None:
        step = CELL * _CELLS
        if tile % step or any(value % step for value in tile_offset):
            raise ValueError(f"{tile=} and {tile_offset=} must be multiples of {step}")
        self.info = scene.info
        self.seconds_network = 0.0
        self._scene, self._radar = scene, radar
        # Normalising over channels is quicker where they lie together.
        self._generator: Generator = generator.eval().to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._device = torch.device(device)
        self._latents = latents(generator, samples, seed)
        self._threshold = threshold
        self._tile, self._batch, self._offset = tile, batch, tile_offset
        self._report = progress or (lambda stage, done, total: None)

    @torch.inference_mode()
    def tiles(self) -> abc.Generator[ClearedTile, None, None]:
        """Clear the scene tile by tile.

        Raises:
            InputError: if no pixel holds data.
            FileError: if the scene cannot be read.
        """
        context = self._context()
        done, pixels = 0, self.info.height * self.info.width
        with closing(ahead(self._batches())) as batches:
            for windows in batches:
                for cleared in self._translate(windows, context):
                    yield cleared
                    done += cleared.dn[0].size
                    self._report("clearing", done, pixels)

    def _batches(self) -> Iterator[list[_Window]]:
        margin = self._generator.margin
        waiting: list[_Window] = []
        for tile in cut(
            self.info.height, self.info.width, size=self._tile, margin=margin, step=CELL, offset=self._offset
        ):
            if waiting and (len(waiting) == self._batch or not _alike(waiting[0].tile, tile)):
                yield waiting
                waiting = []
            waiting.append(self._read(tile))
        yield waiting

    def _context(self) -> Tensor:
        """Survey the whole scene: (1, K, h, w) on the grid of its cells."""
        statistics, known = self._summarise()
        cells_high, cells_wide = statistics.shape[-2:]
        trust = torch.empty(1, 1, cells_high, cells_wide)
        features = torch.empty(1, self._generator.settings.features, cells_high, cells_wide)
        started = time.perf_counter()
        for tile in cut(
            cells_high,
            cells_wide,
            size=self._tile // CELL * _SURVEY,
            margin=self._generator.context.margin,
            step=_CELLS,
            offset=(self._offset[0] // CELL, self._offset[1] // CELL),
        ):
            seen = statistics[(..., *tile.outer.slices)].to(self._device)
            survey = self._generator.context(seen, known)
            core = (..., *tile.core.within(tile.outer).slices)
            trust[(..., *tile.core.slices)] = survey.trust[core].cpu()
            features[(..., *tile.core.slices)] = survey.features[core].cpu()
        self.seconds_network += time.perf_counter() - started
        statistics = statistics.to(self._generator.device)
        context = self._generator.spread(statistics, Survey(trust.to(self._device), features.to(self._device)))
        return context.cpu()

    def _summarise(self) -> tuple[Tensor, Tensor]:
        """Reduce the scene to the statistics of its cells, (1, S, h, w), and say what is known of it, (1, 16)."""
        height, width = self.info.height, self.info.width
        statistics: Tensor | None = None
        known = torch.empty(0)
        done = valid = 0
        with closing(ahead(self._read(tile) for tile in cut(height, width, size=_BLOCK))) as windows:
            for window in windows:
                core = window.tile.core
                valid += int(window.valid.sum())
                cells = self._generator.summarise(window.x).cpu()
                if statistics is None:
                    statistics = torch.empty(1, cells.shape[1], -(-height // CELL), -(-width // CELL))
                    known = window.x.known
                row, column = core.row // CELL, core.column // CELL
                statistics[..., row : row + cells.shape[2], column : column + cells.shape[3]] = cells
                done += core.height * core.width
                self._report("surveying", done, height * width)
        if not valid or statistics is None:
            raise InputError(
                f"{self.info.source}: every pixel is no-data ({self.info.encoding.nodata}) or not a number; "
                "give a scene that holds data, or correct its no-data value"
            )
        return statistics, known

    def _read(self, tile: Tile) -> _Window:
        box = tile.outer
        dn = self._scene.read(box.row, box.column, box.height, box.width)
        reflectance, valid = to_reflectance(dn, self.info.encoding)
        radar = None if self._radar is None else self._radar.read(box.row, box.column, box.height, box.width)
        x = observe(reflectance, valid, self.info.bands, self.info.level, radar, self._device)
        return _Window(tile, dn, valid, pad_to_cells(x))

    def _translate(self, windows: Sequence[_Window], context: Tensor) -> Iterator[ClearedTile]:
        """Clear tiles of one shape; those without data do not reach the network."""
        drawn: list[Sampled | None] = [None] * len(windows)
        holding = [index for index, window in enumerate(windows) if window.holds_data]
        if holding:
            started = time.perf_counter()
            taken = [windows[index] for index in holding]
            batch = Observation(*(torch.cat(parts) for parts in zip(*(window.x for window in taken), strict=True)))
            cells = torch.cat([_crop_cells(context, window.tile.outer) for window in taken]).to(self._device)
            core = taken[0].tile.core.within(taken[0].tile.outer)
            for index, sampled in zip(holding, sample(self._generator, batch, cells, self._latents, core), strict=True):
                drawn[index] = sampled
            self.seconds_network += time.perf_counter() - started
        for window, outcome in zip(windows, drawn, strict=True):
            yield self._compose(window, outcome)

    def _compose(self, window: _Window, sampled: Sampled | None) -> ClearedTile:
        core = window.tile.core.within(window.tile.outer).slices
        dn, valid = window.dn[(slice(None), *core)].copy(), window.valid[core]
        quality = np.full((len(QUALITY_BANDS), *valid.shape), np.nan, np.float32)
        if sampled is None:
            return ClearedTile(window.tile.core, dn, quality, 0, 0)
        changed = valid & (sampled.opacity >= self._threshold)
        if changed.any():
            present = [INDEX[band] for band in self.info.bands]
            pixels = sampled.reflectance[present][:, None, changed]
            dn[:, changed] = to_dn(pixels, self.info.encoding, dn.dtype)[:, 0]
        quality[:, valid] = np.stack([sampled.opacity, sampled.uncertainty])[:, valid]
        return ClearedTile(window.tile.core, dn, quality, int(valid.sum()), int(changed.sum()))


def _alike(one: Tile, other: Tile) -> bool:
    """Tell whether two tiles can share a batch: the same size, and the same part of it to be kept."""
    return one.core.within(one.outer) == other.core.within(other.outer) and (
        (one.outer.height, one.outer.width) == (other.outer.height, other.outer.width)
    )


def _crop_cells(context: Tensor, box: Box) -> Tensor:
    return context[..., box.row // CELL : -(-box.bottom // CELL), box.column // CELL : -(-box.right // CELL)]
