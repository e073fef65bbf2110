"""Memory that is freed stays with the process."""

from __future__ import annotations

import platform
import subprocess
import sys
from ast import literal_eval

import pytest

from unclouded.allocator import ENVIRONMENT

_PROGRAM = """
import resource
import sys

import numpy as np

from unclouded.allocator import keep_freed_memory

if "keep" in sys.argv:
    keep_freed_memory()
np.ones(50_000_000, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(50_000_000, np.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

_GIVING_BACK = """
import numpy as np

from unclouded.allocator import give_back_freed_memory, keep_freed_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

keep_freed_memory()
np.ones(50_000_000, np.uint8)
before = resident()
give_back_freed_memory()
print(before - resident())
"""

_SURPLUS = """
import numpy as np

from unclouded.allocator import FreedMemory, keep_freed_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

def grown_by(work):
    before = resident()
    np.ones(work, np.uint8)
    freed.give_back_surplus()
    return resident() - before

keep_freed_memory()
freed = FreedMemory()
usual, little, much = (grown_by(work) for work in (50_000_000, 90_000_000, 250_000_000))
print(usual > 40_000_000 and little > 30_000_000 and much < -80_000_000)
"""

needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not GNU's")


def page_faults(*arguments: str, **environment: str) -> int:
    """Pages that the kernel had to give for an array after one of the same size was freed."""
    return printed(_PROGRAM, *arguments, **environment)


def printed(program: str, *arguments: str, **environment: str) -> int:
    """The number or truth that a program prints in a process of its own."""
    command = [sys.executable, "-c", program, *arguments]
    path = {"PYTHONPATH": ":".join(sys.path)}
    result = subprocess.run(command, capture_output=True, text=True, check=True, env=path | environment)
    return int(literal_eval(result.stdout))


@needs_glibc
def test_a_second_large_array_costs_no_pages() -> None:
    anew = page_faults()
    assert anew > 20
    assert page_faults("keep") < anew / 10
    assert page_faults(**{name: str(value) for name, value in ENVIRONMENT.items()}) < anew / 10


@needs_glibc
def test_freed_memory_is_returned_on_request() -> None:
    assert printed(_GIVING_BACK) > 40_000_000


@needs_glibc
def test_freed_memory_that_the_next_piece_of_work_takes_is_kept_and_more_is_given_back() -> None:
    assert printed(_SURPLUS) == 1
