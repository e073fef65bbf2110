"""Scenes in dask chunks: a graph that clears them block by block when, and as far as, it is computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from unclouded.clearing.arrays import dataset, layers_of
from unclouded.clearing.passes import Clearing, Summary
from unclouded.clearing.product import Model, fitted
from unclouded.clearing.surveying import crop_cells
from unclouded.files import QUALITY_BANDS
from unclouded.reading.array import ArrayScene, refuse_dn
from unclouded.reading.info import SceneInfo
from unclouded.tiles import Box, Tile


@dataclass(frozen=True)
class _Window:
    """The window `box` of a scene, read as the whole would be."""

    info: SceneInfo
    dn: NDArray[Any]
    box: Box

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[Any]:
        inner = Box(row, column, height, width).within(self.box)
        return self.dn[(slice(None), *inner.slices)]


@dataclass(frozen=True)
class _Recipe:
    """How the blocks of a scene are cleared: the arguments of `clear_lazily`."""

    info: SceneInfo
    unscaled: bool
    model: Model
    radar: str | None
    samples: int
    seed: int
    threshold: float

    @contextmanager
    def clearing(self, dn: NDArray[Any], box: Box) -> Iterator[Clearing]:
        """Clear a scene of which only the window `box` is there."""
        if self.unscaled:
            refuse_dn(dn, self.info)
        with fitted(self.info, self.model, self.radar, self.samples) as guide:
            yield Clearing(
                _Window(self.info, dn, box),
                self.model.generator,
                samples=self.samples,
                seed=self.seed,
                threshold=self.threshold,
                radar=guide,
            )


def clear_lazily(
    scene: ArrayScene,
    model: Model,
    at: Mapping[str, Any],
    attributes: Mapping[str, Any],
    *,
    radar: str | None = None,
    samples: int = 1,
    seed: int = 0,
    threshold: float | None = None,
) -> xr.Dataset:
    """Clear a scene in dask chunks: as `gather_product`, but in dask chunks of the size of the tiles.

    Every chunk is read twice, for the context of the scene, which is one small task, and to be cleared; between the
    two it need not be kept. What is wrong with the pixels is raised when they are computed.

    Raises:
        InputError: if the scene is nothing for these weights.
        FileError: if the radar cannot be read.
    """
    import dask.array as da
    from dask import delayed
    from dask.graph_manipulation import bind

    recipe = _Recipe(scene.info, scene.unscaled, model, radar, samples, seed, model.threshold(threshold))
    with recipe.clearing(*_nothing(scene.info)) as clearing:
        blocks, tiles = list(clearing.blocks()), list(clearing.cuts())
    how = delayed(recipe, pure=False, traverse=False)
    summaries = [delayed(_summarise)(how, _cut_out(scene.chunks, block.outer), block) for block in blocks]
    context = delayed(_survey)(how, summaries)
    # Under other names, or the whole scene would be kept from the survey until it is cleared.
    again = bind(scene.chunks, context)
    count = len(scene.info.bands) + len(QUALITY_BANDS)
    rows = [
        [
            da.from_delayed(
                delayed(_clear)(how, _cut_out(again, tile.outer), tile, delayed(crop_cells)(context, tile.outer)),
                (count, tile.core.height, tile.core.width),
                np.float32,
            )
            for tile in row
        ]
        for _, row in groupby(tiles, key=lambda tile: tile.core.row)
    ]
    layers = da.concatenate([da.concatenate(row, axis=2) for row in rows], axis=1)
    return dataset(layers, scene.info, at, attributes)


def _cut_out(source: Any, box: Box) -> Any:  # noqa: ANN401 (a dask array; a window of it as one task)
    return source[(slice(None), *box.slices)].rechunk(-1).to_delayed(optimize_graph=False).item()


def _nothing(info: SceneInfo) -> tuple[NDArray[Any], Box]:
    return np.empty((len(info.bands), 0, 0), info.dtype), Box(0, 0, 0, 0)


def _summarise(recipe: _Recipe, dn: NDArray[Any], block: Tile) -> Summary:
    with recipe.clearing(dn, block.outer) as clearing:
        return next(clearing.summarise([block]))


def _survey(recipe: _Recipe, summaries: list[Summary]) -> NDArray[np.float32]:
    with recipe.clearing(*_nothing(recipe.info)) as clearing:
        return clearing.context(summaries)


def _clear(recipe: _Recipe, dn: NDArray[Any], tile: Tile, cells: NDArray[np.float32]) -> NDArray[np.float32]:
    with recipe.clearing(dn, tile.outer) as clearing:
        return layers_of(next(clearing.clear([(tile, cells)])), recipe.info)
