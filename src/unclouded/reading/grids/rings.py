"""Rings of polygons that a user draws, and what is wrong with them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import InputError

SWAPPED = "longitude and latitude seem to be swapped: longitude, from west to east, comes first"
"""What errors say of an area that would lie elsewhere with the two exchanged."""


def check_ring(name: str, ring: NDArray[np.float64]) -> None:
    """Check that corners (n, 2) of longitude and latitude make a ring.

    Raises:
        InputError: they are too few, no numbers or not closed, or the ring crosses itself or 180 degrees.
    """
    if ring.ndim != 2 or len(ring) < 4 or not np.isfinite(ring).all():
        raise InputError(f"{name}: a ring of it has fewer than four corners, or one that is no number; draw it again")
    if (ring[0] != ring[-1]).any():
        raise InputError(f"{name}: a ring of it is not closed; its last corner has to be its first")
    check_degrees(name, ring)
    if (np.abs(np.diff(ring[:, 0])) > 180).any():
        raise InputError(f"{name}: crosses 180 degrees; give the part on either side by itself")
    if (place := _crossing(ring)) is not None:
        raise InputError(f"{name}: crosses itself near {place[0]:.5f}, {place[1]:.5f}; draw it without, or mend it")


def check_degrees(name: str, corners: NDArray[np.float64]) -> None:
    """Check that corners (n, 2) are longitudes and latitudes.

    Raises:
        InputError: one is beyond what there is, and why that may be.
    """
    longitude, latitude = np.abs(corners).max(axis=0)
    if latitude > 90:
        advice = SWAPPED if longitude <= 90 and latitude <= 180 else "GeoJSON and boxes are in degrees, not metres"
        raise InputError(f"{name}: has a latitude beyond 90 degrees; {advice}")
    if longitude > 180:
        advice = (
            "it crosses 180 degrees; give the part on either side by itself" if longitude <= 360 else "give degrees"
        )
        raise InputError(f"{name}: has a longitude beyond 180 degrees; {advice}")


def _crossing(ring: NDArray[np.float64]) -> tuple[float, float] | None:
    """Where two edges of a closed ring meet, apart from the corners that neighbours share; None if nowhere."""
    kept = np.r_[True, (np.diff(ring, axis=0) != 0).any(axis=1)]
    ring = ring[kept]
    start, end = ring[:-1], ring[1:]
    count = len(start)
    order = np.argsort(np.minimum(start[:, 0], end[:, 0]), kind="stable")
    west = np.minimum(start[:, 0], end[:, 0])[order]
    for position, edge in enumerate(order):
        # Of all others, those that begin before this one ends; the rest was looked at with them.
        stop = int(np.searchsorted(west, max(start[edge, 0], end[edge, 0]), "right"))
        others = order[position + 1 : stop]
        near = (others - edge) % count
        others = others[(near != 1) & (near != count - 1)]
        meets = _meet(start[edge], end[edge], start[others], end[others])
        if meets.any():
            x, y = start[others[meets][0]]
            return float(x), float(y)
    return None


def _meet(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64], d: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Which of the edges `c` to `d`, (n, 2) each, the edge `a` to `b` meets."""

    def side(p: NDArray[np.float64], q: NDArray[np.float64], r: NDArray[np.float64]) -> NDArray[np.float64]:
        across = (q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0])
        return np.asarray(np.sign(across))

    apart = (np.maximum(c[:, 1], d[:, 1]) < min(a[1], b[1])) | (np.minimum(c[:, 1], d[:, 1]) > max(a[1], b[1]))
    apart |= (np.maximum(c[:, 0], d[:, 0]) < min(a[0], b[0])) | (np.minimum(c[:, 0], d[:, 0]) > max(a[0], b[0]))
    meets: NDArray[np.bool_] = ~apart & (side(a, b, c) * side(a, b, d) <= 0) & (side(c, d, a) * side(c, d, b) <= 0)
    return meets
