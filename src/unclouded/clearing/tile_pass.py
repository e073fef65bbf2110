"""The last pass over a scene: its tiles read, translated by the network where they may not be clear, and composed."""

from __future__ import annotations

import time
from collections import abc
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from unclouded.allocator import give_back_freed_memory
from unclouded.clearing.background import prefetch
from unclouded.clearing.composition import compose_tile
from unclouded.clearing.context_builder import cells_of
from unclouded.clearing.latent_sampling import Sampled, latents, sample
from unclouded.clearing.options import ClearOptions, TileOptions
from unclouded.clearing.scene_reader import SceneReader
from unclouded.models.generator import CELL, Generator, Observation
from unclouded.tiles import Box, Tile, narrow
from unclouded.writing.strips import ClearedTile

TileTask = tuple[Tile, NDArray[np.float32]]
"""A tile and the context (1, K, h, w) of its cells."""


class NetworkInput(NamedTuple):
    """What the network is to see: the crop of a tile that may not be clear, the image around it, and the context."""

    crop: Tile
    x: Observation
    context: Tensor


@dataclass(frozen=True)
class LoadedTile:
    """A tile as read: its DN, which of them hold data, and what the network is to see; None if it need not look."""

    box: Box
    dn: NDArray[Any]
    valid: NDArray[np.bool_]
    seen: NetworkInput | None


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
        row = 0
        with closing(prefetch(self._batches(tasks))) as batches:
            for batch in batches:
                if batch[0].box.row != row:
                    row = batch[0].box.row
                    give_back_freed_memory()
                yield from self._translate(batch)

    def _batches(self, tasks: Iterable[TileTask]) -> Iterator[list[LoadedTile]]:
        waiting: list[LoadedTile] = []
        for tile, cells in tasks:
            loaded = self.read_tile(tile, torch.tensor(cells))
            if waiting and (len(waiting) == self._batch or not _alike(waiting[0], loaded)):
                yield waiting
                waiting = []
            waiting.append(loaded)
        if waiting:
            yield waiting

    def read_tile(self, tile: Tile, context: Tensor) -> LoadedTile:
        """Read a tile, and around the crop of it that the context does not show clear all that the network must see."""
        doubtful = self._generator.near_cores(context)[(0, *cells_of(tile.inner.within(tile.padded)))].numpy()
        if not doubtful.any():
            return LoadedTile(tile.inner, *self._reader.read_dn(tile.inner), None)
        crop = narrow(tile, doubtful, CELL, self._generator.margin, self._crop)
        box = tile.inner.joined(crop.padded)
        dn, valid, x = self._reader.read(box, crop.padded)
        inner = tile.inner.within(box).slices
        seen = None
        if valid[crop.inner.within(box).slices].any():
            seen = NetworkInput(crop, x, context[(..., *cells_of(crop.padded.within(tile.padded)))])
        return LoadedTile(tile.inner, dn[(slice(None), *inner)].copy(), valid[inner], seen)

    @torch.inference_mode()
    def _translate(self, batch: Sequence[LoadedTile]) -> list[ClearedTile]:
        """Clear tiles whose crops are alike; none reaches the network where it is clear or without data."""
        drawn: dict[int, Sampled] = {}
        inputs = {number: loaded.seen for number, loaded in enumerate(batch) if loaded.seen is not None}
        if inputs:
            started = time.perf_counter()
            crop, _, _ = next(iter(inputs.values()))
            x = Observation(*(torch.cat(held) for held in zip(*(seen.x for seen in inputs.values()), strict=True)))
            context = torch.cat([seen.context for seen in inputs.values()]).to(self._generator.device)
            inner = crop.inner.within(crop.padded)
            sampled = sample(self._generator, x, context, self._latents, inner, self._precision)
            drawn = dict(zip(inputs, sampled, strict=True))
            self.seconds_network += time.perf_counter() - started
        return [self._compose(loaded, drawn.get(number)) for number, loaded in enumerate(batch)]

    def _compose(self, loaded: LoadedTile, sampled: Sampled | None) -> ClearedTile:
        drawn = None if loaded.seen is None or sampled is None else (loaded.seen.crop.inner, sampled)
        return compose_tile(loaded.box, loaded.dn, loaded.valid, drawn, self._reader.info, self._threshold)


def _alike(one: LoadedTile, other: LoadedTile) -> bool:
    """Tell whether two tiles can share a batch: in one row, and what the network sees, if anything, of one shape."""
    # Of one row, so that rows left out do not change the batches, and with them the last bits, of the others.
    return one.box.row == other.box.row and _shape(one.seen) == _shape(other.seen)


def _shape(seen: NetworkInput | None) -> tuple[Box, torch.Size, torch.Size] | None:
    return seen and (seen.crop.inner.within(seen.crop.padded), seen.x.optical.shape, seen.x.guide_valid.shape)
