"""Scenes on a dask.distributed cluster: workers read and clear the tiles, the client's process writes the files.

Each worker opens the input itself and loads the weights once; of a scene only the summaries of its blocks, the context
of a tile's cells and the cleared tiles travel. A tile is computed as it is without a cluster, so that the files are the
same, byte for byte.
"""

from __future__ import annotations

import os
import threading
import uuid
import weakref
from collections import abc
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial

import rasterio

from unclouded.clearing.batch import Batch
from unclouded.clearing.clear import ClearedScene
from unclouded.clearing.cluster.dask_pool import DaskPool
from unclouded.clearing.context.summaries import Summary
from unclouded.clearing.executor import LocalExecutor
from unclouded.clearing.inputs import open_inputs
from unclouded.clearing.model import Model
from unclouded.clearing.options import ClearOptions
from unclouded.clearing.tiles.tile_pass import TileTask
from unclouded.errors import WeightsError
from unclouded.models.weights_file import bundled
from unclouded.precision import resolve_precision
from unclouded.progress import HUNDREDTHS, Progress
from unclouded.reading.files.raster import is_remote
from unclouded.reading.reader import ReadOptions
from unclouded.tiles import Tile
from unclouded.writing.strips import ClearedTile
from unclouded.writing.writer import CACHE

_AT_ONCE = 2
"""Scenes that the client has in hand: while one is written, the next is cleared."""

_STAGES = ("summarising", "clearing", "writing")


@dataclass(frozen=True)
class SceneJob:
    """What a worker must know to work on a scene.

    Attributes:
        source: path or address that all workers can read.
        reading: what is to be known to read it.
        options: of clearing it; the paths are such that all workers can read, device and precision are not "auto".
        sha256: of the weights.
        run: tells apart the jobs of two runs, between which files may have changed.
    """

    source: str
    reading: ReadOptions
    options: ClearOptions
    sha256: str
    run: str = field(default_factory=lambda: uuid.uuid4().hex)


class DaskExecutor:
    """`Executor` by the workers of a pool. Summaries go before tiles, so that the next scene is ready in time."""

    def __init__(self, pool: DaskPool, job: SceneJob, number: int) -> None:
        self._pool, self._job, self._number = pool, job, number

    def summarise(self, blocks: Iterable[Tile]) -> abc.Generator[Summary, None, None]:
        """Reduce blocks to statistics."""
        return self._pool.each((0, self._number), partial(_summarise, self._job), self._job.source, blocks)

    def clear(self, tasks: Iterable[TileTask]) -> abc.Generator[ClearedTile, None, None]:
        """Clear tiles."""
        return self._pool.each((1, self._number), partial(_clear, self._job), self._job.source, tasks)


def clear_scenes(
    batch: Batch, pool: DaskPool, progress: Progress | None = None
) -> abc.Generator[tuple[str, ClearedScene | Exception], None, None]:
    """Clear scenes on a cluster, some at once; give each one's source and what became of it, in their order.

    Args:
        batch: what to clear; other dates are read by the client.
        pool: the workers.
        progress: of all scenes together.
    """
    total = _Total(len(batch.outputs), progress)
    shared = _for_workers(batch.options, batch.model)
    reading = batch.reading

    def clear(number: int, source: str) -> ClearedScene:
        known = replace(reading, level=reading.levels.get(source, reading.level))
        job = SceneJob(_reachable(source), known, shared, batch.model.header.sha256)

        def report(stage: str, done: int, whole: int) -> None:
            pool.check()
            total(source, stage, done / whole)

        return batch.clear(source, report, DaskExecutor(pool, job, number))

    with ThreadPoolExecutor(_AT_ONCE, "scene") as threads:
        scenes = {source: threads.submit(clear, number, source) for number, source in enumerate(batch.outputs)}
        try:
            for source, scene in scenes.items():
                try:
                    yield source, scene.result()
                except Exception as error:
                    yield source, error
        except BaseException:
            pool.stop()
            threads.shutdown(wait=False, cancel_futures=True)
            raise


class _Total:
    """Progress of several scenes as that of one: a hundredth of all is a step."""

    def __init__(self, scenes: int, report: Progress | None) -> None:
        self._scenes, self._report = scenes, report
        self._shares: dict[tuple[str, str], float] = {}
        self._lock = threading.Lock()

    def __call__(self, source: str, stage: str, share: float) -> None:
        """Note that `share` of a stage of a scene is done."""
        if self._report is None or stage not in _STAGES:
            return
        with self._lock:
            self._shares[source, stage] = share
            done = sum(self._shares.values()) / len(_STAGES)
            self._report("clearing", round(HUNDREDTHS * done / self._scenes), HUNDREDTHS)


def _summarise(job: SceneJob, block: Tile) -> Summary:
    executor = _executor(job, threading.get_ident())
    with rasterio.Env(GDAL_CACHEMAX=CACHE):
        return next(executor.summarise([block]))


def _clear(job: SceneJob, task: TileTask) -> ClearedTile:
    executor = _executor(job, threading.get_ident())
    with rasterio.Env(GDAL_CACHEMAX=CACHE):
        return next(executor.clear([task]))


@lru_cache(maxsize=2 * _AT_ONCE)
def _executor(job: SceneJob, thread: int) -> LocalExecutor:
    """Open a scene in a worker, for one of its threads: those of GDAL's files must not be shared."""
    model = _model(job.options.model, job.options.device, job.sha256)
    opened = ExitStack()
    scene = opened.enter_context(job.reading.open(job.source))
    executor = LocalExecutor(opened.enter_context(open_inputs(scene, job.options)), model.generator, job.options)
    # The files stay open as long as the executor is kept, here or by a task.
    weakref.finalize(executor, opened.close)
    return executor


@lru_cache(maxsize=1)
def _model(weights: str, device: str, sha256: str) -> Model:
    """Load weights in a worker, once."""
    model = Model.load(ClearOptions(model=weights, device=device))
    if model.header.sha256 != sha256:
        raise WeightsError(f"{weights}: a worker has other weights of that name; install or copy the same there")
    return model


def _for_workers(options: ClearOptions, model: Model) -> ClearOptions:
    """Options that mean the same to a worker in another folder, on a machine with another device."""
    device = model.generator.device
    return replace(
        options,
        model=options.model if options.model in bundled() else os.path.abspath(options.model),
        radar=None if options.radar is None else _reachable(options.radar),
        mask=options.mask if options.mask_file is None else _reachable(options.mask_file),
        references=(),  # what they say of a tile comes with its task
        device=device.type,
        precision=resolve_precision(options.precision, device),
    )


def _reachable(path: str) -> str:
    return path if is_remote(path) else os.path.abspath(path)
