"""The last pass over a scene: its tiles read, translated by the network where they may not be clear, and composed."""

from __future__ import annotations

import time
from collections import abc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import reduce
from itertools import chain
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from unclouded.allocator import FreedMemory
from unclouded.bands import INDEX, NAMES
from unclouded.clearing.background import prefetch
from unclouded.clearing.context.cover import Cover
from unclouded.clearing.options import ClearOptions, TileOptions
from unclouded.clearing.scene_reader import SceneReader
from unclouded.clearing.tiles.composition import compose_tile
from unclouded.clearing.tiles.known_cover import KnownCover, Transferred, shows_ground
from unclouded.clearing.tiles.latent_sampling import Sampled, Sampling, latents, margin_of
from unclouded.detection.opacity import may_be_covered
from unclouded.models.generator import Generator
from unclouded.models.observation import CELL, Observation
from unclouded.sources import FIRST_REFERENCE
from unclouded.tiles import Box, Tile, divide
from unclouded.writing.strips import ClearedTile

if TYPE_CHECKING:
    from unclouded.clearing.context.other_dates import TransferredGround

_EACH = 2**16
"""What any crop costs, however small: its layers are prepared anew."""


class TileTask(NamedTuple):
    """What a tile is cleared by.

    Attributes:
        tile: where it lies.
        context: (1, K, h, w) of the cells of `tile.padded`.
        cover: what is known of their cover; None if it is left to the network alone.
        transferred: what other dates say of the tile and a cell around it, where it may be covered.
    """

    tile: Tile
    context: NDArray[np.float32]
    cover: Cover | None
    transferred: TransferredGround | None = None


class NetworkInput(NamedTuple):
    """Input of the network: a crop of a tile that may be covered, with its surroundings, context and known cover."""

    crop: Tile
    x: Observation
    context: Tensor
    cover: KnownCover | None


@dataclass(frozen=True)
class LoadedTile:
    """A tile as read: its DN, their validity, and inputs of the network for crops that may be covered."""

    box: Box
    dn: NDArray[Any]
    valid: NDArray[np.bool_]
    crops: tuple[NetworkInput, ...]


class TilePass:
    """Clears tiles of one scene, each by its own task alone.

    Attributes:
        seconds_network: that the network took so far.
    """

    def __init__(self, reader: SceneReader, generator: Generator, options: ClearOptions, tiling: TileOptions) -> None:
        self.seconds_network = 0.0
        self._reader, self._generator = reader, generator
        self._latents = latents(generator, options.samples, options.seed)
        self._precision = options.precision
        self._threshold = options.threshold_for(generator.inference)
        self._batch, self._crop = tiling.batch, tiling.crop

    def __call__(self, tasks: Iterable[TileTask]) -> abc.Generator[ClearedTile, None, None]:
        """Clear tiles under the context of their cells.

        Raises:
            FileError: if the scene cannot be read.
        """
        freed = FreedMemory()
        with closing(prefetch(self._batches(tasks))) as batches:
            for batch in batches:
                freed.give_back_surplus()
                yield from self._translate(batch)

    def _batches(self, tasks: Iterable[TileTask]) -> Iterator[list[LoadedTile]]:
        waiting: list[LoadedTile] = []
        for task in tasks:
            loaded = self.read_tile(task)
            if waiting and (len(waiting) == self._batch or not _same_shapes(waiting[0], loaded)):
                yield waiting
                waiting = []
            waiting.append(loaded)
        if waiting:
            yield waiting

    def read_tile(self, task: TileTask) -> LoadedTile:
        """Read a tile, and around the crops of it that may be covered the surroundings that the network needs."""
        tile, cover = task.tile, task.cover
        margin = margin_of(self._generator, ground_is_seen=cover is None or shows_ground(cover.fill))
        crops = divide(tile, self._suspected(task), CELL, margin, self._crop, _cost)
        box = reduce(Box.joined, (crop.padded for crop in crops), tile.inner)
        dn, valid = self._reader.read_dn(box)
        inputs = tuple(
            self._input(task, crop, box, dn, valid) for crop in crops if valid[crop.inner.within(box).slices].any()
        )
        inner = tile.inner.within(box).slices
        if crops:
            dn = dn[(slice(None), *inner)].copy()
        return LoadedTile(tile.inner, dn, valid[inner], inputs)

    def _input(self, task: TileTask, crop: Tile, box: Box, dn: NDArray[Any], valid: NDArray[np.bool_]) -> NetworkInput:
        """The network's input for a crop, from a box as read."""
        x = self._reader.observe(dn, valid, box, crop.padded)
        cells = crop.padded.within(task.tile.padded).cells(CELL)
        return NetworkInput(crop, x, torch.tensor(task.context[(..., *cells)]), self._cover(task, crop, x))

    def _suspected(self, task: TileTask) -> NDArray[np.bool_]:
        """Tell which cells (h, w) of the inner tile may hold a pixel that is replaced."""
        tile, cover = task.tile, task.cover
        rows, columns = tile.inner.within(tile.padded).cells(CELL)
        size = rows.stop - rows.start, columns.stop - columns.start
        if cover is None:
            return np.ones(size, np.bool_)
        factor = self._reader.factor
        along = CELL // factor
        fine = may_be_covered(torch.from_numpy(cover.evidence), self._threshold)[0]
        fine = fine[rows.start * along : rows.stop * along, columns.start * along : columns.stop * along]
        suspected = torch.zeros(size[0] * along, size[1] * along, dtype=torch.bool)
        suspected[: fine.shape[0], : fine.shape[1]] = fine
        # Between two pixels of the detector's grid cover is interpolated.
        found = F.max_pool2d(suspected[None, None].float(), along)
        near = F.max_pool2d(found, 3, stride=1, padding=1)[0, 0] > 0
        if self._reader.mask is not None:
            mask = self._reader.read_mask_cover(tile.inner)
            assert mask is not None
            padded = F.pad(mask.cover, (0, -mask.cover.shape[3] % CELL, 0, -mask.cover.shape[2] % CELL))
            near |= F.max_pool2d(padded, CELL)[0, 0] > 0
        return np.asarray(near.numpy())

    def _cover(self, task: TileTask, crop: Tile, x: Observation) -> KnownCover | None:
        """What is known of the cover of a crop."""
        if task.cover is None:
            return None
        factor, place = self._reader.factor, crop.padded.within(task.tile.padded)
        height, width = x.optical.shape[2:]
        mask = self._reader.read_mask_cover(crop.padded)
        grown = (0, width - crop.padded.width, 0, height - crop.padded.height)
        return KnownCover(
            _continued(torch.tensor(task.cover.evidence[(..., *place.cells(factor))]), height, width, factor),
            torch.tensor(task.cover.fill[(..., *place.cells(CELL))]),
            None if mask is None else F.pad(mask.cover, grown),
            None if mask is None else F.pad(mask.classes, grown),
            None if task.transferred is None else self._on_crop(task.transferred, crop, height, width),
            factor,
        )

    def _on_crop(self, found: TransferredGround, crop: Tile, height: int, width: int) -> Transferred:
        """The ground by other dates of a tile, on its crop of `height` x `width` pixels."""
        bands = [INDEX[band] for band in self._reader.info.bands]
        ground, rest = torch.zeros(1, len(NAMES), height, width), torch.zeros(3, 1, 1, height, width)
        ours = crop.padded
        top, left = max(found.box.row, ours.row), max(found.box.column, ours.column)
        bottom, right = min(found.box.bottom, ours.bottom), min(found.box.right, ours.right)
        if top < bottom and left < right:
            shared = Box(top, left, bottom - top, right - left)
            here, there = shared.within(ours).slices, shared.within(found.box).slices
            ground[(0, bands, *here)] = torch.from_numpy(found.reflectance[(slice(None), *there)])
            for layer, values in zip(
                rest, (found.uncertainty, found.share, found.source + float(FIRST_REFERENCE)), strict=True
            ):
                layer[(0, 0, *here)] = torch.from_numpy(values[there].astype(np.float32))
        predicted = torch.zeros(1, len(NAMES), 1, 1)
        predicted[0, bands, 0, 0] = torch.from_numpy(found.predicted_bands.astype(np.float32))
        return Transferred(ground, rest[0], rest[1], rest[2], predicted)

    @torch.inference_mode()
    def _translate(self, batch: Sequence[LoadedTile]) -> list[ClearedTile]:
        """Clear tiles whose crops have the same shapes; crops without cover or data are skipped."""
        started = time.perf_counter()
        drawn = [self._sample(crops) for crops in zip(*(loaded.crops for loaded in batch), strict=True)]
        self.seconds_network += time.perf_counter() - started
        together = [list(chain.from_iterable(parts)) for parts in zip(*drawn, strict=True)] or [[] for _ in batch]
        return [
            compose_tile(loaded.box, loaded.dn, loaded.valid, parts, self._reader.info)
            for loaded, parts in zip(batch, together, strict=True)
        ]

    def _sample(self, crops: Sequence[NetworkInput]) -> list[list[tuple[Box, Sampled]]]:
        """Results of the network for crops of the same shapes: for each, the parts that may be replaced."""
        device, crop = self._generator.device, crops[0].crop
        x = Observation.cat(one.x for one in crops)
        context = torch.cat([one.context for one in crops]).to(device)
        cover = _together([one.cover for one in crops], device)
        inner = crop.inner.within(crop.padded)
        sampling = Sampling(self._generator, x, context, cover, self._latents, inner, self._threshold, self._precision)
        parts = [(part, sampling.sample(part)) for part in sampling.parts(self._crop)]
        return [
            [(part.of(one.crop.padded), sampled[number]) for part, sampled in parts] for number, one in enumerate(crops)
        ]


def _same_shapes(one: LoadedTile, other: LoadedTile) -> bool:
    """Tell whether two tiles can share a batch: in one row, and what the network sees, if anything, of equal shapes."""
    # Of one row, so that rows left out do not change the batches, and with them the last bits, of the others.
    return one.box.row == other.box.row and _shapes(one) == _shapes(other)


def _together(covers: Sequence[KnownCover | None], device: torch.device) -> KnownCover | None:
    """Make one batch of what is known of the cover of each crop."""
    known = [cover for cover in covers if cover is not None]
    if not known:
        return None

    height, width = (side * CELL for side in known[0].fill.shape[2:])

    def joined(parts: Sequence[Tensor | None]) -> Tensor | None:
        there = [part for part in parts if part is not None]
        return torch.cat(there).to(device) if there else None

    evidence, fill, mask, classes = (joined([cover[number] for cover in known]) for number in range(4))  # type: ignore[misc]
    assert evidence is not None and fill is not None
    dated = None
    if any(cover.dates is not None for cover in known):
        dates = [cover.dates or Transferred.nothing(height, width) for cover in known]
        dated = Transferred(*(torch.cat(parts).to(device) for parts in zip(*dates, strict=True)))
    return KnownCover(evidence, fill, mask, classes, dated, known[0].factor)


def _continued(evidence: Tensor, height: int, width: int, factor: int) -> Tensor:
    """Repeat the last rows and columns of evidence until it holds as many pixels as whole cells do."""
    down, right = height // factor - evidence.shape[2], width // factor - evidence.shape[3]
    return F.pad(evidence, (0, right, 0, down), mode="replicate")


def _shapes(loaded: LoadedTile) -> list[tuple[Box, torch.Size, torch.Size]]:
    return [
        (crop.crop.inner.within(crop.crop.padded), crop.x.optical.shape, crop.x.guide_valid.shape)
        for crop in loaded.crops
    ]


def _cost(crop: Tile) -> int:
    """What a crop costs, in pixels of the network's first layers: its last ones and the composition take twice that."""
    inner, padded = crop.inner, crop.padded
    return _EACH + padded.height * padded.width + 2 * inner.height * inner.width
