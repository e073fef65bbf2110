"""Reading, network and writing at once: items fetched before they are asked for, and written while others are made.

Each has a thread of its own. GDAL and torch let other threads run while they work, so that the disk does not wait for
the network nor the network for the disk. Order and results are those of doing everything in turn; an error comes out
where the item would have.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")

_DEPTH = 1
"""Items waiting between two threads: one lets both work at once, and each more costs a tile's memory."""


def prefetch(items: Iterable[T]) -> Generator[T, None, None]:
    """Iterate over `items`, which are made in another thread, up to `_DEPTH` of them in advance.

    Closing the iterator waits for those that are being made, so that what they are made of can be closed after it.
    """
    iterator, end = iter(items), object()
    with ThreadPoolExecutor(1, "prefetch") as thread:
        waiting = deque(thread.submit(next, iterator, end) for _ in range(_DEPTH))
        while (item := waiting.popleft().result()) is not end:
            waiting.append(thread.submit(next, iterator, end))
            yield item  # type: ignore[misc]


class BackgroundWriter:
    """Does what it is given in another thread, in order; leaving the context waits for all of it, after an error too.

    Up to `_DEPTH` pieces of work wait for the one that is being done; an error in one comes out at the next call or at
    the end, and what was to come after it is not done.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "writer")
        self._waiting: deque[Future[None]] = deque()
        self._failed = False

    def __enter__(self) -> BackgroundWriter:
        return self

    def __call__(self, work: Callable[..., None], *arguments: object) -> None:
        """Have `work(*arguments)` done; waits while too much is to be done already."""
        while len(self._waiting) > _DEPTH:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(self._do, work, *arguments))

    def _do(self, work: Callable[..., None], *arguments: object) -> None:
        if self._failed:
            return
        try:
            work(*arguments)
        except BaseException:
            self._failed = True
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.shutdown(wait=True)
        if error is None:
            for future in self._waiting:
                future.result()
