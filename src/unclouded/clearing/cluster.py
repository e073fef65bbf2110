"""Scenes on a dask.distributed cluster: workers read and clear the tiles, the client's process writes the files.

Each worker opens the input itself and loads the weights once; of a scene only the summaries of its blocks, the context
of a tile's cells and the cleared tiles travel. A tile is computed as it is without a cluster, so that the files are the
same, byte for byte.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections import abc
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path

import rasterio

from unclouded.clearing.clear import ClearedScene
from unclouded.clearing.passes import Clearing, Part, Summary
from unclouded.clearing.product import Model, clear_product
from unclouded.clearing.workers import Cluster
from unclouded.errors import WeightsError
from unclouded.models.weights import bundled
from unclouded.progress import Progress
from unclouded.reading.radar import open_radar
from unclouded.reading.raster import is_remote
from unclouded.reading.reader import ReadOptions
from unclouded.tiles import Tile
from unclouded.writing.strips import ClearedTile
from unclouded.writing.writer import CACHE

_AT_ONCE = 2
"""Scenes that the client has in hand: while one is written, the next is cleared."""

_STAGES = ("surveying", "clearing", "writing")


@dataclass(frozen=True)
class Order:
    """What a worker must know to work on parts of a scene.

    Attributes:
        source: path or address that all workers can read.
        reading: how to read it.
        weights: name of bundled weights, or a path that all workers can read.
        sha256: of the weights.
        precision: that the network runs in.
        device: that the network runs on.
        radar: path that all workers can read, or None.
        samples: latent samples.
        seed: of the latent samples.
        threshold: opacity under which a pixel stays as it is.
        run: tells apart the orders of two runs, between which files may have changed.
    """

    source: str
    reading: ReadOptions
    weights: str
    sha256: str
    precision: str
    device: str
    radar: str | None
    samples: int
    seed: int
    threshold: float
    run: str = field(default_factory=lambda: uuid.uuid4().hex)


class _Workers:
    """`clearing.passes.Hands` of a cluster. Summaries go before tiles, so that the next scene is ready in time."""

    def __init__(self, cluster: Cluster, order: Order, number: int) -> None:
        self._cluster, self._order, self._number = cluster, order, number

    def summarise(self, blocks: Iterable[Tile]) -> abc.Generator[Summary, None, None]:
        return self._cluster.each((0, self._number), partial(_summarise, self._order), self._order.source, blocks)

    def clear(self, parts: Iterable[Part]) -> abc.Generator[ClearedTile, None, None]:
        return self._cluster.each((1, self._number), partial(_clear, self._order), self._order.source, parts)


def clear_scenes(
    outputs: Mapping[str, Path],
    reading: ReadOptions,
    weights: str,
    model: Model,
    cluster: Cluster,
    *,
    radar: str | None = None,
    samples: int = 1,
    seed: int = 0,
    threshold: float | None = None,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> abc.Generator[tuple[str, ClearedScene | Exception], None, None]:
    """Clear scenes on a cluster, some at once; give each one's source and what became of it, in their order.

    Args:
        outputs: the file to write for each source.
        reading: how to read the sources.
        weights: what `model` was loaded from.
        model: for the client's own share of the work.
        cluster: does the rest.
        radar: as in `clear_product`, like the arguments after it.
        samples: latent samples.
        seed: of the latent samples.
        threshold: opacity under which a pixel stays as it is.
        overwrite: replace outputs that are already there.
        progress: told of all scenes together.
    """
    total = _Total(len(outputs), progress)

    def clear(number: int, source: str, output: Path) -> ClearedScene:
        order = Order(
            _reachable(source),
            reading,
            weights if weights in bundled() else os.path.abspath(weights),
            model.header.sha256,
            model.generator.precision,
            model.device,
            None if radar is None else _reachable(radar),
            samples,
            seed,
            model.threshold(threshold),
        )

        def report(stage: str, done: int, whole: int) -> None:
            cluster.check()
            total(source, stage, done / whole)

        with reading.open(source) as scene:
            return clear_product(
                scene,
                output,
                model,
                radar=radar,
                samples=samples,
                seed=seed,
                threshold=threshold,
                overwrite=overwrite,
                hands=_Workers(cluster, order, number),
                progress=report,
            )

    with ThreadPoolExecutor(_AT_ONCE, "scene") as pool:
        scenes = {
            source: pool.submit(clear, number, source, output)
            for number, (source, output) in enumerate(outputs.items())
        }
        try:
            for source, scene in scenes.items():
                try:
                    yield source, scene.result()
                except Exception as error:
                    yield source, error
        except BaseException:
            cluster.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


class _Total:
    """Progress of several scenes as that of one: a thousandth of a scene is a step."""

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
            self._report("scenes", round(1000 * done), 1000 * self._scenes)


def _summarise(order: Order, block: Tile) -> Summary:
    with rasterio.Env(GDAL_CACHEMAX=CACHE):
        return next(_clearing(order, threading.get_ident()).summarise([block]))


def _clear(order: Order, part: Part) -> ClearedTile:
    with rasterio.Env(GDAL_CACHEMAX=CACHE):
        return next(_clearing(order, threading.get_ident()).clear([part]))


@lru_cache(maxsize=2 * _AT_ONCE)
def _clearing(order: Order, thread: int) -> Clearing:
    """Open a scene in a worker, for one of its threads: those of GDAL's files must not be shared."""
    model = _model(order.weights, order.device, order.sha256, order.precision)
    scene = order.reading.open(order.source)
    return Clearing(
        scene,
        model.generator,
        samples=order.samples,
        seed=order.seed,
        threshold=order.threshold,
        radar=None if order.radar is None else open_radar(order.radar, scene.info),
    )


@lru_cache(maxsize=1)
def _model(weights: str, device: str, sha256: str, precision: str) -> Model:
    """Load weights in a worker, once."""
    model = Model.load(weights, device, precision)
    if model.header.sha256 != sha256:
        raise WeightsError(f"{weights}: a worker has other weights of that name; install or copy the same there")
    return model


def _reachable(path: str) -> str:
    return path if is_remote(path) else os.path.abspath(path)
