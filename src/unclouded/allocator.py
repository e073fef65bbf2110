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


def _function(name: str) -> ctypes._NamedFuncPointer | None:
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
