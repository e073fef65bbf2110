"""The sets of patches for an evaluation: equally many cloudy and clear ones, and reference sets."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from unclouded.data.archive import Archive
from unclouded.data.domains import acquisition_codes, select
from unclouded.data.samplers import Rows
from unclouded.errors import InputError


class Sets(NamedTuple):
    """Rows of an archive's table, each set in random order, so that its first rows are a random sample of it.

    Attributes:
        cloudy: (N,) of domain X.
        clear: (N,) of domain Y, with which the others are compared.
        other: (up to N,) of domain Y, disjoint from `clear`.
        same: (up to N,) likewise, from the acquisitions of `cloudy`, as many of each as possible.
        twins: (N,) the clear image of the ground under each of `cloudy`; -1 if the archive has none.
    """

    cloudy: Rows
    clear: Rows
    other: Rows
    same: Rows
    twins: Rows


def draw(archive: Archive, split: str, *, limit: int | None = None, seed: int = 0) -> Sets:
    """Draw the sets of a split: N is the size of the smaller domain, or `limit` if that is less.

    Raises:
        InputError: the split lacks a domain, or has fewer than two patches of one.
    """
    table = archive.table
    x, y = select(table, "X", split), select(table, "Y", split)
    count = min(len(x), len(y)) if limit is None else min(len(x), len(y), limit)
    if count < 2:
        limited = "" if limit is None else f", of which --limit takes {limit}"
        raise InputError(
            f"{archive.path}: {len(x)} cloudy and {len(y)} clear patches in split {split!r}{limited}; "
            "distances take at least two of each: choose another split, or pack more data"
        )
    rng = np.random.default_rng(seed)
    cloudy, shuffled = rng.permutation(x)[:count], rng.permutation(y)
    clear, left = shuffled[:count], shuffled[count:]
    acquisitions = acquisition_codes(table)
    return Sets(cloudy, clear, left[:count], _matched(left, acquisitions, cloudy), _twins(archive, cloudy))


def _matched(left: Rows, acquisitions: Rows, cloudy: Rows) -> Rows:
    """Of the rows `left`, one of the acquisition of each cloudy patch, or of those of the others if it has too few."""
    known = acquisitions[cloudy][acquisitions[cloudy] >= 0]
    wanted = dict(zip(*(found.tolist() for found in np.unique(known, return_counts=True)), strict=True))
    taken, spare = [], []
    for row in left[np.isin(acquisitions[left], known)]:
        code = int(acquisitions[row])
        if wanted[code] > 0:
            wanted[code] -= 1
            taken.append(row)
        else:
            spare.append(row)
    return np.array((taken + spare)[: len(cloudy)], np.int64)


def _twins(archive: Archive, cloudy: Rows) -> Rows:
    names = archive.table["clear_id"].take(cloudy).to_pylist()
    wanted = {name for name in names if name is not None}
    place = {name: row for row, name in enumerate(archive.table["patch_id"].to_pylist()) if name in wanted}
    return np.array([place.get(name, -1) for name in names], np.int64)
