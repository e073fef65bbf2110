"""How the libraries' threads wait for work: briefly awake, then asleep, so that reading and writing get the cores.

By default GNU's OpenMP, of which torch has its threads, has those that are done spin for milliseconds, and OpenBLAS,
by which NumPy multiplies matrices, shares even those of a square of 64 x 64 pixels among threads that spin: beside
GDAL's threads on two cores that took a fifth of the processors' time of clearing a scene, and more with other dates.
"""

from __future__ import annotations

import os
from functools import cache, partial

ENVIRONMENT = {"GOMP_SPINCOUNT": "2000", "OPENBLAS_NUM_THREADS": "1"}
"""What says so, unless the user says otherwise: 2,000 turns are some 0.1 ms, longer than between two layers."""


def wait_briefly() -> None:
    """Have this process's threads wait so; before NumPy and torch are loaded, or it is too late."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)


@cache
def compute_alone_when_forked() -> None:
    """Have processes that are forked from this one compute in one thread.

    Those that OpenMP had started here are not there, and a forked process would wait for them without end.
    """
    import torch

    if hasattr(os, "register_at_fork"):  # not on Windows
        os.register_at_fork(after_in_child=partial(torch.set_num_threads, 1))
