"""Settings of the C library's allocator and oneDNN's cache: freed memory is kept for the next array.

By default every array above 32 MiB is mapped anew, and the kernel zeroes it page by page, which took a seventh of the
time of clearing a scene of 5,490 x 5,490 pixels.
"""

from __future__ import annotations

import ctypes
import os
import sys

_LIMIT = 2**30
"""Bytes from which on an array is mapped by the kernel, and freed memory is returned to it."""

# Environment variables, and parameters of mallopt (malloc.h of the GNU C library). With one arena the threads that
# read, compute and write reuse each other's memory, which lowers the peak by a seventh.
_OPTIONS = {"MALLOC_MMAP_THRESHOLD_": (-3, _LIMIT), "MALLOC_TRIM_THRESHOLD_": (-1, _LIMIT), "MALLOC_ARENA_MAX": (-8, 1)}

# oneDNN caches a primitive with its memory for every layer at every image size, 1,024 by default. On a scene of 10,980
# x 10,980 pixels, whose parts have some forty sizes, that took 0.7 GiB; creating one anew takes no measurable time.
_ONEDNN = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": 32}

_SURPLUS = 64 * 2**20
"""Bytes of fragmented freed memory that may accumulate before they are returned to the kernel."""

ENVIRONMENT = {name: value for name, (_, value) in _OPTIONS.items()} | _ONEDNN
"""Environment of a process for the same settings."""


def keep_freed_memory() -> None:
    """Apply the settings to this process, before the first network; those of the allocator need GNU's C library."""
    for name, value in _ONEDNN.items():
        os.environ.setdefault(name, str(value))
    if (mallopt := _function("mallopt")) is not None:
        for option, value in _OPTIONS.values():
            mallopt(option, value)


def give_back_freed_memory() -> None:
    """Return freed memory to the kernel: arrays of other sizes than before may not fit into it."""
    if (trim := _function("malloc_trim")) is not None:
        trim(0)


class FreedMemory:
    """Freed memory during a sequence of tasks of many sizes: kept for the next task until too much accumulates.

    The arrays of a task do not always fit into what others have freed: over a row of tiles of a scene of 10,980 pixels
    a quarter of a GiB would accumulate. Returning it after every task, to be zeroed by the kernel for the next, would
    take a tenth of the time of clearing a scene.
    """

    def __init__(self) -> None:
        give_back_freed_memory()
        self._baseline: int | None = None

    def give_back_surplus(self) -> None:
        """Return freed memory, between tasks, if the process has grown since the first task after the last return."""
        resident = _resident_size()
        if self._baseline is None:
            self._baseline = resident
        elif resident > self._baseline + _SURPLUS:
            give_back_freed_memory()
            self._baseline = None


def _resident_size() -> int:
    """Resident set size of this process in bytes; 0 if the system has no /proc."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _function(name: str) -> ctypes._NamedFuncPointer | None:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
