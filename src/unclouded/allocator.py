"""How the C library and oneDNN keep memory: what is freed stays with the process for the next array, until told.

By default every array beyond 32 MiB is asked of the kernel anew and cleared by it page by page, which took a seventh of
the time of clearing a scene of 5,490 x 5,490 pixels.
"""

from __future__ import annotations

import ctypes
import os
import sys

_LIMIT = 2**30
"""Bytes from which on an array is asked of the kernel, and freed memory is given back to it."""

# Names in the environment, and numbers for mallopt (GNU C library's malloc.h). With one arena the threads that read,
# compute and write reuse each other's memory: it takes a seventh off the peak.
_OPTIONS = {"MALLOC_MMAP_THRESHOLD_": (-3, _LIMIT), "MALLOC_TRIM_THRESHOLD_": (-1, _LIMIT), "MALLOC_ARENA_MAX": (-8, 1)}

# oneDNN keeps a plan with its memory for every layer at every size of image, 1,024 of them unless told. On a scene of
# 10,980 x 10,980, whose parts have some forty sizes, that took 0.7 GiB; making a plan anew takes no time one can see.
_PLANS = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": 32}

_SURPLUS = 64 * 2**20
"""Bytes that may gather of freed memory which nothing fits into, before it is given back."""

ENVIRONMENT = {name: value for name, (_, value) in _OPTIONS.items()} | _PLANS
"""What a process has to be started with for the same."""


def keep_freed_memory() -> None:
    """Have this process keep what it frees, where the C library is GNU's, and few plans; before the first network."""
    for name, value in _PLANS.items():
        os.environ.setdefault(name, str(value))
    if (mallopt := _function("mallopt")) is not None:
        for option, value in _OPTIONS.values():
            mallopt(option, value)


def give_back_freed_memory() -> None:
    """Give the kernel back what was freed and kept: arrays of other sizes than before may not fit into it."""
    if (trim := _function("malloc_trim")) is not None:
        trim(0)


class FreedMemory:
    """What is freed by pieces of work of many sizes, one after the other: kept for the next until too much gathers.

    What a piece needs does not always fit into what others have freed, and over a row of tiles of a scene of 10,980
    pixels a quarter of a GiB would gather. To give all back after every piece has the kernel clear it again for the
    next: a tenth of the time of clearing a scene.
    """

    def __init__(self) -> None:
        give_back_freed_memory()
        self._usual: int | None = None

    def give_back_surplus(self) -> None:
        """Between two pieces: give all back if the process has grown since the piece after it last did."""
        resident = _resident()
        if self._usual is None:
            self._usual = resident  # with what a piece of work takes
        elif resident > self._usual + _SURPLUS:
            give_back_freed_memory()
            self._usual = None


def _resident() -> int:
    """Bytes of memory that this process has; 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def _function(name: str) -> ctypes._NamedFuncPointer | None:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
