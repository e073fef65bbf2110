"""Memory that is freed stays with the process."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

from unclouded.allocator import ENVIRONMENT

_PROGRAM = """
import resource
import sys

import numpy as np

from unclouded.allocator import give_back_freed_memory, keep_freed_memory

if "keep" in sys.argv:
    keep_freed_memory()
np.ones(50_000_000, np.uint8)
if "give" in sys.argv:
    give_back_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
np.ones(50_000_000, np.uint8)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

needs_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not GNU's")


def page_faults(*arguments: str, **environment: str) -> int:
    """Pages that the kernel had to give for an array after one of the same size was freed."""
    command = [sys.executable, "-c", _PROGRAM, *arguments]
    path = {"PYTHONPATH": ":".join(sys.path)}
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=path | environment)
    return int(said.stdout)


@needs_glibc
def test_a_second_large_array_costs_no_pages() -> None:
    anew = page_faults()
    assert anew > 20
    assert page_faults("keep") < anew / 10
    assert page_faults("keep", "give") > anew / 2
    assert page_faults(**{name: str(value) for name, value in ENVIRONMENT.items()}) < anew / 10
