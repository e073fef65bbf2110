"""The workers of a dask.distributed cluster: many small tasks in order, whatever happens to those who do them."""

from __future__ import annotations

import threading
from collections import abc, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager, suppress
from types import TracebackType
from typing import Any, TypeVar

import dask
from distributed import Client, Future, KilledWorker, LocalCluster

from unclouded import allocator
from unclouded.errors import ClusterError

_DEATHS = 3
"""Workers that may die at a tile; with the last of them its scene is given up."""

_FINISHED = 2
"""Finished tiles, for each thread of the workers, that wait for those before them."""

_PATIENCE = 30.0
"""Seconds in which a cluster has to answer and to have a worker."""

_LONELY = 300.0
"""Seconds without a result or a worker after which no other worker is expected."""

_LOCAL = {
    # The scheduler suspects every task that a worker has when it dies; `DaskPool.each` finds out which it was.
    "distributed.scheduler.allowed-failures": 0,
    # Else a worker that is slow to come back is taken off the cluster.
    "distributed.deploy.lost-worker-timeout": "1 hour",
    # Instead of distributed's own, which has every large array requested from the kernel again.
    "distributed.nanny.pre-spawn-environ": {
        "OMP_NUM_THREADS": 1,
        "MKL_NUM_THREADS": 1,
        "OPENBLAS_NUM_THREADS": 1,
        **allocator.ENVIRONMENT,
    },
}
"""What the processes of this machine are started with."""

T = TypeVar("T")
P = TypeVar("P")


class DaskPool:
    """Workers, in this machine's processes or elsewhere; use it as a context manager."""

    def __init__(self, workers: int | None = None, address: str | None = None) -> None:
        """Start `workers` processes of one thread each, or connect to the scheduler at `address`.

        Raises:
            ClusterError: if the scheduler does not answer, or no worker comes.
        """
        with ExitStack() as stack:
            if address is None:
                stack.enter_context(dask.config.set(_LOCAL))
                # What a worker holds is bounded by the number of its tasks: no limit needs to watch its memory.
                local = LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    memory_limit=0,
                    dashboard_address=None,
                    silence_logs="CRITICAL",
                )
                stack.enter_context(local)
            self.client = stack.enter_context(_connected(address or local))
            self._opened = stack.pop_all()
        self._changed = threading.Condition()
        self.running = 0
        self._claims: set[tuple[int, int]] = set()
        self._stopped = self._reserved = False
        self._suspects = threading.Lock()

    def __enter__(self) -> DaskPool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._opened.close()

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
        self, rank: tuple[int, int], work: Callable[[P], T], name: str, items: Iterable[P]
    ) -> abc.Generator[T, None, None]:
        """Have `work(item)` done for each item of `name`, and give the results in the order of the items.

        No more tasks run than there are threads, and a free thread goes to the lowest `rank`. Results that wait for an
        earlier one stay with their workers. A task whose worker dies is repeated.

        Raises:
            ClusterError: if workers die at a task again and again, or there is none left.
        """
        left, waiting = iter(items), deque[tuple[Future[Any], P]]()
        item = next(left, None)
        try:
            while item is not None or waiting:
                threads = max(1, self._threads(name))
                wanting = item is not None and len(waiting) < threads * (1 + _FINISHED)
                submit = self._wait(name, rank if wanting else None, waiting[0][0] if waiting else None, threads)
                if submit and item is not None:
                    future = self.client.submit(work, item, pure=False)
                    future.add_done_callback(self._ended)
                    waiting.append((future, item))
                    item = next(left, None)
                else:
                    future, done = waiting.popleft()
                    try:
                        result = _result(future, name)
                    except KilledWorker as error:
                        result = self._alone(work, name, done, error.allowed_failures + 1)
                    yield result
        finally:
            for future, _ in waiting:
                with suppress(Exception):
                    future.cancel()

    def _wait(self, name: str, rank: tuple[int, int] | None, first: Future[Any] | None, threads: int) -> bool:
        """Wait until there is a thread for `rank`, if any, or `first` is done; tell whether it is the thread."""

        def ready() -> bool:
            return self._stopped or done() or free()

        def done() -> bool:
            return first is not None and first.done()

        def free() -> bool:
            return rank is not None and not self._reserved and self.running < threads and rank == min(self._claims)

        with self._changed:
            if rank is not None:
                self._claims.add(rank)
            try:
                while not self._changed.wait_for(ready, _LONELY):
                    if not self._threads(name):
                        raise ClusterError(f"{name}: no worker is left; see their logs, and start others")
                self.check()
                submit = free()
                self.running += submit
            finally:
                if rank is not None:
                    self._claims.discard(rank)
                self._changed.notify_all()
        return submit

    def _alone(self, work: Callable[[P], T], name: str, item: P, deaths: int) -> Any:  # noqa: ANN401
        """Repeat a task with which a worker died while no other runs, so that only it can be to blame this time."""
        with self._suspects:
            try:
                with self._changed:
                    self._reserved = True
                    self._changed.wait_for(lambda: self._stopped or not self.running)
                    self.check()
                while True:
                    try:
                        return _result(self.client.submit(work, item, pure=False), name)
                    except KilledWorker as error:
                        deaths += error.allowed_failures + 1
                        if deaths >= _DEATHS:
                            raise ClusterError(
                                f"{name}: {deaths} workers died at the same tile; see their logs, "
                                "and if they lack memory start fewer of them on a machine"
                            ) from error
            finally:
                with self._changed:
                    self._reserved = False
                    self._changed.notify_all()

    def _ended(self, future: Future[Any]) -> None:
        with self._changed:
            self.running -= 1
            self._changed.notify_all()

    def _threads(self, name: str) -> int:
        """Threads of the workers there are: of those that die others take the place, and a cluster may grow."""
        try:
            return sum(self.client.nthreads().values())
        except OSError as error:
            raise _lost(name) from error


@contextmanager
def _connected(to: str | LocalCluster) -> Iterator[Client]:
    """Connect to a scheduler that has a worker, or will have one soon."""
    try:
        client = Client(to, timeout=_PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:
        raise _unreachable(to, error) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=_PATIENCE)
        except TimeoutError as error:
            raise _unreachable(to, error) from error
        yield client


def _unreachable(to: str | LocalCluster, error: Exception) -> ClusterError:
    if not isinstance(to, str):
        return ClusterError(f"--workers: none of them started ({error}); is there memory for them?")
    return ClusterError(
        f"--scheduler {to}: cannot be reached, or has no workers ({error}); "
        "start `dask scheduler` and `dask worker`, and give its address, such as tcp://192.168.0.1:8786"
    )


def _lost(name: str) -> ClusterError:
    return ClusterError(f"{name}: the scheduler was lost; start it again, and give the same command")


def _result(future: Future[Any], name: str) -> Any:  # noqa: ANN401 (what the task gives)
    try:
        return future.result()
    except CancelledError as error:
        raise _lost(name) from error
    except ImportError as error:
        raise ClusterError(f"{name}: a worker lacks something ({error}); install the same unclouded there") from error
