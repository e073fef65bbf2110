"""Scenes on a dask.distributed cluster: workers read and clear the tiles, the client's process writes the files.

Each worker opens the input itself and loads the weights once; of a scene only the summaries of its blocks, the context
of a tile's cells and the cleared tiles travel. A tile is computed as it is without a cluster, so that the files are the
same, byte for byte.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections import abc, deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import dask
import rasterio
from distributed import Client, Future, KilledWorker, LocalCluster

from unclouded.errors import ClusterError, UncloudedError, WeightsError
from unclouded.models.weights import bundled
from unclouded.scene.batch import Reading
from unclouded.scene.clear import ClearedScene
from unclouded.scene.passes import ClearedTile, Clearing, Part, Progress, Summary
from unclouded.scene.product import Model, clear_product
from unclouded.scene.radar import open_radar
from unclouded.scene.raster import is_remote
from unclouded.scene.tiles import Tile
from unclouded.scene.writer import CACHE

_DEATHS = 3
"""Workers that may die at a tile; with the last of them its scene is given up."""

_AT_ONCE = 2
"""Scenes that the client has in hand: while one is written, the next is cleared."""

_FINISHED = 2
"""Finished tiles, for each thread of the workers, that wait for those before them."""

_PATIENCE = 30.0
"""Seconds in which a cluster has to answer and to have a worker."""

_STAGES = ("surveying", "clearing", "writing")

T = TypeVar("T")
P = TypeVar("P")


@dataclass(frozen=True)
class Order:
    """What a worker must know to work on parts of a scene.

    Attributes:
        source: path or address that all workers can read.
        reading: how to read it.
        weights: name of bundled weights, or a path that all workers can read.
        sha256: of the weights.
        device: that the network runs on.
        radar: path that all workers can read, or None.
        samples: latent samples.
        seed: of the latent samples.
        threshold: opacity under which a pixel stays as it is.
        run: tells apart the orders of two runs, between which files may have changed.
    """

    source: str
    reading: Reading
    weights: str
    sha256: str
    device: str
    radar: str | None
    samples: int
    seed: int
    threshold: float
    run: str = field(default_factory=lambda: uuid.uuid4().hex)


class Cluster:
    """Workers, in this machine's processes or elsewhere; use it as a context manager."""

    def __init__(self, workers: int | None = None, address: str | None = None) -> None:
        """Start `workers` processes of one thread each, or connect to the scheduler at `address`.

        Raises:
            ClusterError: if the scheduler does not answer, or no worker comes.
        """
        self._local: LocalCluster | None = None
        if address is None:
            # What a worker holds is bounded by the number of its tasks, so that no limit needs to watch its memory.
            with dask.config.set({"distributed.scheduler.allowed-failures": _DEATHS - 1}):
                self._local = LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    memory_limit=0,
                    dashboard_address=None,
                    silence_logs="CRITICAL",
                )
        try:
            self.client = Client(self._local or address, timeout=_PATIENCE, set_as_default=False)
            self.client.wait_for_workers(1, timeout=_PATIENCE)
        except (OSError, ValueError, TimeoutError) as error:
            self._close_local()
            raise ClusterError(
                f"--scheduler {address}: cannot be reached, or has no workers ({error or type(error).__name__}); "
                "start `dask scheduler` and `dask worker`, and give its address, such as tcp://192.168.0.1:8786"
            ) from error
        self._changed = threading.Condition()
        self._running = 0
        self._claims: set[tuple[int, int]] = set()
        self._stopped = False

    def __enter__(self) -> Cluster:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()
        self._close_local()

    def hands(self, order: Order, number: int) -> _Workers:
        """Have the workers work on a scene; that with the lowest `number` comes first."""
        return _Workers(self, order, number)

    def stop(self) -> None:
        """Make everyone who waits for a result give up."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()

    def check(self) -> None:
        """Raise CancelledError after `stop`."""
        if self._stopped:
            raise CancelledError

    def each(
        self, rank: tuple[int, int], work: Callable[[Order, P], T], order: Order, parts: Iterable[P]
    ) -> abc.Generator[T, None, None]:
        """Have `work(order, part)` done for each part, and give the results in the order of the parts.

        No more tasks run than there are threads, so that a worker that dies puts no other task under suspicion; a free
        thread goes to the lowest `rank`. Results that wait for an earlier one stay with their workers.
        """
        left, waiting = iter(parts), deque[Future[Any]]()
        part = next(left, None)
        try:
            while part is not None or waiting:
                # Of workers that die others take the place, and a cluster may grow.
                threads = max(1, sum(self.client.nthreads().values()))
                wanting = part is not None and len(waiting) < threads * (1 + _FINISHED)
                submit = self._wait(rank if wanting else None, waiting[0] if waiting else None, threads)
                if submit:
                    future = self.client.submit(work, order, part, pure=False)
                    future.add_done_callback(self._ended)
                    waiting.append(future)
                    part = next(left, None)
                else:
                    yield _result(waiting.popleft(), order.source)
        finally:
            for future in waiting:
                with suppress(Exception):
                    future.cancel()

    def _wait(self, rank: tuple[int, int] | None, first: Future[Any] | None, threads: int) -> bool:
        """Wait until there is a thread for `rank`, if any, or `first` is done; tell whether it is the thread."""

        def ready() -> bool:
            return self._stopped or done() or free()

        def done() -> bool:
            return first is not None and first.done()

        def free() -> bool:
            return rank is not None and self._running < threads and rank == min(self._claims)

        with self._changed:
            if rank is not None:
                self._claims.add(rank)
            try:
                self._changed.wait_for(ready)
                self.check()
                submit = free()
                self._running += submit
            finally:
                if rank is not None:
                    self._claims.discard(rank)
                self._changed.notify_all()
        return submit

    def _ended(self, future: Future[Any]) -> None:
        with self._changed:
            self._running -= 1
            self._changed.notify_all()

    def _close_local(self) -> None:
        if self._local is not None:
            self._local.close()


class _Workers:
    """`scene.passes.Hands` of a cluster. Summaries go before tiles, so that the next scene is ready in time."""

    def __init__(self, cluster: Cluster, order: Order, number: int) -> None:
        self._cluster, self._order, self._number = cluster, order, number

    def summarise(self, blocks: Iterable[Tile]) -> abc.Generator[Summary, None, None]:
        return self._cluster.each((0, self._number), _summarise, self._order, blocks)

    def clear(self, parts: Iterable[Part]) -> abc.Generator[ClearedTile, None, None]:
        return self._cluster.each((1, self._number), _clear, self._order, parts)


def clear_scenes(
    outputs: Mapping[str, Path],
    reading: Reading,
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
                hands=cluster.hands(order, number),
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
                except (UncloudedError, MemoryError, RuntimeError) as error:
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
        if self._report is None:
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
    model = _model(order.weights, order.device, order.sha256)
    scene = order.reading.open(order.source)
    return Clearing(
        scene,
        model.generator,
        samples=order.samples,
        seed=order.seed,
        device=model.device,
        threshold=order.threshold,
        radar=None if order.radar is None else open_radar(order.radar, scene.info),
    )


@lru_cache(maxsize=1)
def _model(weights: str, device: str, sha256: str) -> Model:
    """Load weights in a worker, once."""
    model = Model.load(weights, device)
    if model.header.sha256 != sha256:
        raise WeightsError(f"{weights}: a worker has other weights of that name; install or copy the same there")
    return model


def _result(future: Future[Any], source: str) -> Any:  # noqa: ANN401 (what the task gives)
    try:
        return future.result()
    except KilledWorker as error:
        raise ClusterError(
            f"{source}: {error.allowed_failures + 1} workers died at the same tile; see their logs, "
            "and if they lack memory start fewer of them on a machine"
        ) from error
    except CancelledError as error:
        raise ClusterError(f"{source}: the scheduler was lost; start it again, and clear what is not done") from error
    except ImportError as error:
        raise ClusterError(f"{source}: a worker lacks something ({error}); install the same unclouded there") from error


def _reachable(path: str) -> str:
    return path if is_remote(path) else os.path.abspath(path)
