"""Scenes in dask chunks: a graph that clears them block by block when, and as far as, it is computed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from unclouded.clearing.ambiguous_mask import Sample, refuse_implausible, samples
from unclouded.clearing.context.context_builder import SceneArrays
from unclouded.clearing.context.cover import Cover, describe_detection
from unclouded.clearing.context.summaries import Summary
from unclouded.clearing.executor import LocalExecutor
from unclouded.clearing.inputs import SceneInputs, UserMask, open_inputs
from unclouded.clearing.memory.arrays import dataset, layers_of
from unclouded.clearing.model import Model
from unclouded.clearing.options import ClearOptions
from unclouded.clearing.passes import Clearing
from unclouded.clearing.tiles.tile_pass import TileTask
from unclouded.files import QUALITY_BANDS
from unclouded.precision import torch_as_usual
from unclouded.reading.array_classification import ArrayClassification
from unclouded.reading.info import SceneInfo
from unclouded.reading.products.array import ArrayScene, refuse_dn
from unclouded.tiles import Box, Tile

_Window = tuple[NDArray[Any], NDArray[Any] | None]
"""DN (C, h, w) of a window of a scene, and its scene classification (h, w) if there is one."""


@dataclass(frozen=True)
class _ChunkRaster:
    """A scene of which only the window `box` is there, read as the whole would be."""

    info: SceneInfo
    dn: NDArray[Any]
    box: Box

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[Any]:
        inner = Box(row, column, height, width).within(self.box)
        return self.dn[(slice(None), *inner.slices)]


@dataclass(frozen=True)
class _SceneJob:
    """What every task of a graph must know of the scene that it clears a chunk of."""

    info: SceneInfo
    unscaled: bool
    model: Model
    options: ClearOptions

    @contextmanager
    def inputs(self, window: _Window, box: Box) -> Iterator[SceneInputs]:
        """Open a scene of which only the window `box` is there."""
        dn, classes = window
        if self.unscaled:
            refuse_dn(dn, self.info)
        info = self.info
        if isinstance(info.classification, ArrayClassification):
            held = replace(info.classification, array=classes, corner=(box.row, box.column))
            info = replace(info, classification=held)
        with open_inputs(_ChunkRaster(info, dn, box), self.options, whole=False) as inputs:
            yield inputs


@torch_as_usual()
def clear_lazily(
    scene: ArrayScene, model: Model, options: ClearOptions, at: Mapping[str, Any], attributes: Mapping[str, Any]
) -> xr.Dataset:
    """Clear a scene in dask chunks: as `clear_to_memory`, but in dask chunks of the size of the tiles.

    Every chunk is read twice, for the context of the scene, which is one small task, and to be cleared; between the
    two it need not be kept. What is wrong with the pixels is raised when they are computed.

    Raises:
        InputError: if the scene does not suit these weights.
        FileError: if the radar cannot be read.
    """
    import dask.array as da
    from dask import delayed
    from dask.graph_manipulation import bind

    model.check(scene.info)
    info, classes = scene.info, None
    if isinstance(info.classification, ArrayClassification):
        classes = da.asarray(info.classification.array.data)
        info = replace(info, classification=replace(info.classification, array=None))
    job = _SceneJob(info, scene.unscaled, model, options)
    with job.inputs(*_nothing(scene.info)) as inputs:
        clearing = Clearing(inputs, model.generator, options)
        detection = describe_detection(inputs, model.generator, options)
        blocks, tiles = list(clearing.blocks()), list(clearing.cuts())
    shared = delayed(job, pure=False, traverse=False)
    summaries = [delayed(_summarise)(shared, _cut_out(scene.chunks, classes, block.padded), block) for block in blocks]
    context = delayed(_grids)(shared, summaries)
    # Under other names, or the whole scene would be kept from the summary until it is cleared.
    again, classes_again = bind(scene.chunks, context), None if classes is None else bind(classes, context)
    count = len(scene.info.bands) + len(QUALITY_BANDS)
    rows = [
        [
            da.from_delayed(
                delayed(_clear)(
                    shared, _cut_out(again, classes_again, tile.padded), tile, delayed(_crop)(context, tile.padded)
                ),
                (count, tile.inner.height, tile.inner.width),
                np.float32,
            )
            for tile in row
        ]
        for _, row in groupby(tiles, key=lambda tile: tile.inner.row)
    ]
    layers = da.concatenate([da.concatenate(row, axis=2) for row in rows], axis=1)
    return dataset(layers, scene.info, at, {**attributes, "detection": detection})


def _cut_out(dn: Any, classes: Any, box: Box) -> list[Any]:  # noqa: ANN401 (dask arrays; a window of each as one task)
    return [
        part if part is None else part[(..., *box.slices)].rechunk(-1).to_delayed(optimize_graph=False).item()
        for part in (dn, classes)
    ]


def _nothing(info: SceneInfo) -> tuple[_Window, Box]:
    return (np.empty((len(info.bands), 0, 0), info.dtype), np.empty((0, 0), np.uint8)), Box(0, 0, 0, 0)


@torch_as_usual()
def _summarise(job: _SceneJob, window: _Window, block: Tile) -> tuple[Summary, list[Sample]]:
    """A block's summary, and what a mask that may mean something else says of its pixels."""
    with job.inputs(window, block.padded) as inputs:
        mask, found = inputs.mask, list[Sample]()
        if isinstance(mask, UserMask) and mask.ambiguous:
            found = list(samples(mask.raster, job.info, inputs.scene.read, block.inner))
        return next(LocalExecutor(inputs, job.model.generator, job.options).summarise([block])), found


@torch_as_usual()
def _grids(job: _SceneJob, summaries: list[tuple[Summary, list[Sample]]]) -> SceneArrays:
    with job.inputs(*_nothing(job.info)) as inputs:
        if isinstance(inputs.mask, UserMask):
            found = [sample for _, of_block in summaries for sample in of_block]
            refuse_implausible(inputs.mask.name, inputs.mask.scheme, job.info.level, found)
        return Clearing(inputs, job.model.generator, job.options).grids([summary for summary, _ in summaries])


def _crop(scene: SceneArrays, box: Box) -> tuple[NDArray[np.float32], Cover | None]:
    return scene.crop(box)


@torch_as_usual()
def _clear(
    job: _SceneJob, window: _Window, tile: Tile, known: tuple[NDArray[np.float32], Cover | None]
) -> NDArray[np.float32]:
    with job.inputs(window, tile.padded) as inputs:
        cleared = next(LocalExecutor(inputs, job.model.generator, job.options).clear([TileTask(tile, *known)]))
        return layers_of(cleared, job.info)
