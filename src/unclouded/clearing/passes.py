"""The passes over a scene: summarise its cells, survey them and spread the clear ground, translate its tiles."""

from __future__ import annotations

import time
from collections import abc
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unclouded.allocator import give_back_freed_memory
from unclouded.bands import INDEX
from unclouded.clearing.grid_file import GridFile
from unclouded.clearing.overlap import ahead
from unclouded.clearing.sampling import Sampled, latents, observe, sample
from unclouded.clearing.surveying import HALVINGS, ContextRows, Surveying, cells_of
from unclouded.errors import InputError
from unclouded.files import QUALITY_BANDS
from unclouded.models.generator import CELL, Generator, Observation, pad_to_cells
from unclouded.progress import Progress, silent
from unclouded.reading.info import SceneInfo
from unclouded.reflectance import to_dn, to_reflectance, valid_pixels
from unclouded.tiles import Box, Tile, cut, narrow
from unclouded.writing.strips import ClearedTile
from unclouded.writing.writer import checksum

TILE = 512
THRESHOLD = 0.1


_SURVEY = 4
"""How many times more cells than a tile's the survey takes at once: they are few against pixels."""

_PART = 128
"""Sides in pixels of what the network sees of a tile are multiples of it: of few sizes, each of which costs memory."""

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


class Summary(NamedTuple):
    """A block of the scene, reduced.

    Attributes:
        cells: (1, S, h, w) the statistics of its cells.
        known: (1, 16) what is known of the scene.
        valid: number of pixels that hold data.
        checksums: of its DN and of its radar.
    """

    cells: NDArray[np.float32]
    known: NDArray[np.float32]
    valid: int
    checksums: tuple[int, int]


Part = tuple[Tile, NDArray[np.float32]]
"""A tile and the context (1, K, h, w) of its cells."""


class Hands(Protocol):
    """Who works on the parts of a scene: a result depends on its part alone; they come in the order of the parts."""

    def summarise(self, blocks: Iterable[Tile]) -> abc.Generator[Summary, None, None]:
        """Reduce blocks to statistics."""

    def clear(self, parts: Iterable[Part]) -> abc.Generator[ClearedTile, None, None]:
        """Clear tiles."""


class _Look(NamedTuple):
    """What the network is to see: the part of a tile that may not be clear, the image around it, and the context."""

    part: Tile
    x: Observation
    context: Tensor


@dataclass(frozen=True)
class _Window:
    """One tile as read: its DN, which of them hold data, and what the network sees; None if it need not look."""

    box: Box
    dn: NDArray[Any]
    valid: NDArray[np.bool_]
    look: _Look | None


class Clearing:
    """The clearing of one scene: `survey` it, then clear its `tiles`, by its own `Hands` or others.

    Arguments are those of `clear_scene`; what grows with the scene lies in `folder`, or where temporary files go.
    """

    def __init__(
        self,
        scene: Raster,
        generator: Generator,
        *,
        samples: int = 1,
        seed: int = 0,
        threshold: float = THRESHOLD,
        radar: Guide | None = None,
        tile: int = TILE,
        batch: int = 1,
        tile_offset: tuple[int, int] = (0, 0),
        hands: Hands | None = None,
        folder: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        step = CELL * HALVINGS
        if tile % step or any(value % step for value in tile_offset):
            raise ValueError(f"{tile=} and {tile_offset=} must be multiples of {step}")
        self.info = scene.info
        self.seconds_network = 0.0
        self._scene, self._radar = scene, radar
        # It may clear several scenes at once: whoever loads it moves it, for that exchanges its tensors one by one.
        self._generator = generator.eval()
        self._device = generator.device
        self._latents = latents(generator, samples, seed)
        self._threshold = threshold
        self._tile, self._batch, self._offset = tile, batch, tile_offset
        self._hands: Hands = hands or self
        self._folder = folder
        self._report = progress or silent
        self._surveyed: tuple[Surveying, Tensor] | None = None

    def survey(self) -> dict[str, int]:
        """Read the scene once, for what the network has to know of all of it; return checksums of all that was read.

        Raises:
            InputError: if no pixel holds data.
            FileError: if the scene cannot be read, or the disk does not take what is known of it.
        """
        with closing(self._hands.summarise(self.blocks())) as summaries:
            return self._gather(summaries)

    def _gather(self, summaries: Iterable[Summary]) -> dict[str, int]:
        read = {"pixels": 0, "radar pixels": 0}
        height, width = self.info.height, self.info.width
        surveying = Surveying(self._generator, height, width, self._folder)
        known = torch.empty(0)
        done = valid = 0
        for block, summary in zip(self.blocks(), summaries, strict=True):
            surveying.add(block.inner, summary.cells)
            known = torch.tensor(summary.known, device=self._device)
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
        self._surveyed = surveying, known
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
        assert self._surveyed is not None
        wanted = [tile for tile in self.cuts() if tile.inner.row not in finished]
        if not wanted:
            return
        pixels = self.info.height * self.info.width
        done = pixels - sum(tile.inner.height * tile.inner.width for tile in wanted)
        with closing(self._context()) as context:
            around = ContextRows(context)
            parts = ((tile, around(tile.padded)) for tile in wanted)
            with closing(self._hands.clear(parts)) as tiles:
                for cleared in tiles:
                    yield cleared
                    done += cleared.dn[0].size
                    self._report("clearing", done, pixels)

    @torch.inference_mode()
    def _context(self) -> GridFile:
        """What the network knows of the whole surveyed scene, on the grid of its cells."""
        assert self._surveyed is not None
        surveying, known = self._surveyed
        self._surveyed = None
        started = time.perf_counter()
        offset = (self._offset[0] // CELL, self._offset[1] // CELL)
        context = surveying.context(known, self._tile // CELL * _SURVEY, offset)
        self.seconds_network += time.perf_counter() - started
        return context

    def blocks(self) -> Iterator[Tile]:
        """Cut the scene into the blocks that are summarised."""
        return cut(self.info.height, self.info.width, size=_BLOCK)

    def cuts(self) -> Iterator[Tile]:
        """Cut the scene into the tiles that are cleared."""
        height, width, margin = self.info.height, self.info.width, self._generator.margin
        return cut(height, width, size=self._tile, margin=margin, step=CELL, offset=self._offset)

    def summarise(self, blocks: Iterable[Tile]) -> abc.Generator[Summary, None, None]:
        """Reduce blocks to the statistics of their cells.

        Raises:
            FileError: if the scene cannot be read.
        """
        with closing(ahead(self._read(tile.inner) for tile in blocks)) as windows:
            for dn, valid, x in windows:
                with torch.inference_mode():
                    cells = self._generator.summarise(x).cpu().numpy()
                radar = 0 if self._radar is None else checksum(x.guides.cpu().numpy())
                yield Summary(cells, x.known.cpu().numpy(), int(valid.sum()), (checksum(dn), radar))

    def clear(self, parts: Iterable[Part]) -> abc.Generator[ClearedTile, None, None]:
        """Clear tiles under the context of their cells.

        Raises:
            FileError: if the scene cannot be read.
        """
        row = 0
        with closing(ahead(self._batches(parts))) as batches:
            for batch in batches:
                if batch[0].box.row != row:
                    row = batch[0].box.row
                    give_back_freed_memory()
                yield from self._translate(batch)

    def _batches(self, parts: Iterable[Part]) -> Iterator[list[_Window]]:
        waiting: list[_Window] = []
        for tile, cells in parts:
            window = self._look_at(tile, torch.tensor(cells))
            if waiting and (len(waiting) == self._batch or not _alike(waiting[0], window)):
                yield waiting
                waiting = []
            waiting.append(window)
        if waiting:
            yield waiting

    def _look_at(self, tile: Tile, context: Tensor) -> _Window:
        """Read a tile, and around the part of it that the survey does not show clear all that the network must see."""
        doubtful = self._generator.near_cores(context)[(0, *cells_of(tile.inner.within(tile.padded)))].numpy()
        if not doubtful.any():
            dn = self._scene.read(tile.inner.row, tile.inner.column, tile.inner.height, tile.inner.width)
            return _Window(tile.inner, dn, valid_pixels(dn, self.info.encoding), None)
        part = narrow(tile, doubtful, CELL, self._generator.margin, _PART)
        read = tile.inner.joined(part.padded)
        dn, valid, x = self._read(read, part.padded)
        inner = tile.inner.within(read).slices
        look = None
        if valid[part.inner.within(read).slices].any():
            look = _Look(part, x, context[(..., *cells_of(part.padded.within(tile.padded)))])
        return _Window(tile.inner, dn[(slice(None), *inner)].copy(), valid[inner], look)

    def _read(self, box: Box, seen: Box | None = None) -> tuple[NDArray[Any], NDArray[np.bool_], Observation]:
        """Read the DN of a box, which of them hold data, and the observation of the `seen` part of it, or of all."""
        seen = seen or box
        dn = self._scene.read(box.row, box.column, box.height, box.width)
        slices = seen.within(box).slices
        reflectance, _ = to_reflectance(dn[(slice(None), *slices)], self.info.encoding)
        valid = valid_pixels(dn, self.info.encoding)
        radar = None if self._radar is None else self._radar.read(seen.row, seen.column, seen.height, seen.width)
        x = observe(reflectance, valid[slices], self.info.bands, self.info.level, radar, self._device)
        return dn, valid, pad_to_cells(x)

    @torch.inference_mode()
    def _translate(self, batch: Sequence[_Window]) -> list[ClearedTile]:
        """Clear tiles whose parts to look at are alike; none reaches the network where it is clear or without data."""
        drawn: dict[int, Sampled] = {}
        looks = {number: window.look for number, window in enumerate(batch) if window.look is not None}
        if looks:
            started = time.perf_counter()
            part, _, _ = next(iter(looks.values()))
            x = Observation(*(torch.cat(parts) for parts in zip(*(look.x for look in looks.values()), strict=True)))
            context = torch.cat([look.context for look in looks.values()]).to(self._device)
            inner = part.inner.within(part.padded)
            drawn = dict(zip(looks, sample(self._generator, x, context, self._latents, inner), strict=True))
            self.seconds_network += time.perf_counter() - started
        return [self._compose(window, drawn.get(number)) for number, window in enumerate(batch)]

    def _compose(self, window: _Window, sampled: Sampled | None) -> ClearedTile:
        box, dn, valid = window.box, window.dn, window.valid
        quality = np.full((len(QUALITY_BANDS), *valid.shape), np.nan, np.float32)
        quality[:, valid] = 0
        changed = np.zeros_like(valid)
        if window.look is not None and sampled is not None:
            part = window.look.part.inner.within(box).slices
            changed[part] = valid[part] & (sampled.opacity >= self._threshold)
            if changed.any():
                present = [INDEX[band] for band in self.info.bands]
                pixels = sampled.reflectance[present][:, None, changed[part]]
                dn[:, changed] = to_dn(pixels, self.info.encoding, dn.dtype)[:, 0]
            quality[:, *part] = np.where(valid[part], (sampled.opacity, sampled.uncertainty), np.nan)
        return ClearedTile(box, dn, quality, int(valid.sum()), int(changed.sum()))


def _alike(one: _Window, other: _Window) -> bool:
    """Tell whether two tiles can share a batch: in one row, and what is looked at, if anything, of one shape."""
    # Of one row, so that rows left out do not change the batches, and with them the last bits, of the others.
    return one.box.row == other.box.row and _shape(one.look) == _shape(other.look)


def _shape(look: _Look | None) -> tuple[Box, torch.Size] | None:
    return look and (look.part.inner.within(look.part.padded), look.x.optical.shape)
