"""Digital numbers (DN) of a file to reflectance and back: scale, offset and no-data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

LOWEST, HIGHEST = -0.2, 20.0
"""Limits of reflectance; beyond are fill values: over-corrected shadow reaches -0.05, cloud tops and glint 2 to 4."""

SATURATED = 2.0
"""Reflectance that cloud tops seldom exceed, and never equally in all bands."""

_MANY = 4
"""Bands that are not all equal by chance where they are dark, as two of the short-wave infrared are over water."""


@dataclass(frozen=True)
class Encoding:
    """How a file stores reflectance: reflectance = (DN + offset) / scale.

    Attributes:
        scale: DN per 1.0 reflectance; 10000 in Sentinel-2 products.
        offsets: DN added before dividing, one per band in the file's order; -1000 from processing baseline 04.00 on.
        nodata: the DN that means "no data", or None; values that are not finite never are data.
        fill_values: one DN per band, which mean "no data" where every band has its own; None without such pixels.
        nodata_in_all_bands: whether `nodata` means it only where all bands have it.
    """

    scale: float
    offsets: tuple[float, ...]
    nodata: float | None
    fill_values: tuple[float, ...] | None = None
    nodata_in_all_bands: bool = False

    def of_bands(self, positions: Iterable[int]) -> Encoding:
        """The encoding of some of the bands, by their positions, in that order."""
        at = list(positions)
        fill_values = None if self.fill_values is None else tuple(self.fill_values[position] for position in at)
        return replace(self, offsets=tuple(self.offsets[position] for position in at), fill_values=fill_values)


def holds_data(dn: NDArray[np.generic], encoding: Encoding) -> NDArray[np.bool_]:
    """Tell which values of `dn` (C, h, w) may be of ground or cloud: finite, not no-data, and of possible reflectance.

    Fill values such as -9999 are often not declared; no surface has such a reflectance.
    """
    integer = dn.dtype.kind in "iu"
    nodata = None if encoding.nodata_in_all_bands else encoding.nodata
    if integer and nodata is not None:
        there: NDArray[np.bool_] = np.asarray(dn != nodata)
    else:
        there = np.ones(dn.shape, np.bool_) if integer else np.asarray(np.isfinite(dn))
        if nodata is not None:
            np.logical_and(there, dn != nodata, out=there)
    kinds: np.iinfo[Any] | np.finfo[Any] = np.iinfo(dn.dtype) if integer else np.finfo(dn.dtype)
    for limit, beyond in ((LOWEST, np.less), (HIGHEST, np.greater)):
        # In DN of the array's own type, which spares a copy of it in another.
        edge = [float(np.clip(limit * encoding.scale - o, kinds.min, kinds.max)) for o in encoding.offsets]
        if integer and all(value in (kinds.min, kinds.max) for value in edge):
            continue
        np.logical_and(there, ~beyond(dn, np.asarray(edge).astype(dn.dtype)[:, None, None]), out=there)
    return there


def valid_pixels(dn: NDArray[np.generic], encoding: Encoding) -> NDArray[np.bool_]:
    """Tell which pixels (h, w) of `dn` (C, h, w) hold data in every band.

    Pixels that hold one DN in all of several bands hold none if it is 0, negative, or above `SATURATED`: no ground is
    equally dark or bright in every band. In `_MANY` bands the same goes for the DN of reflectance 0. Pixels that hold
    `fill_values` hold none either.
    """
    there: NDArray[np.bool_] = np.asarray(holds_data(dn, encoding).all(axis=0))
    there &= ~_equal_in_all_bands(dn, encoding, there)
    return there


def is_fill(dn: NDArray[np.generic], encoding: Encoding) -> NDArray[np.bool_]:
    """Tell which pixels (...) of `dn` (C, ...) are fill pixels by their DN in all bands, see `valid_pixels`."""
    return _equal_in_all_bands(dn, encoding, np.ones(dn.shape[1:], np.bool_))


def _equal_in_all_bands(dn: NDArray[np.generic], encoding: Encoding, among: NDArray[np.bool_]) -> NDArray[np.bool_]:
    if len(dn) == 1:
        return np.zeros_like(among)
    first, offset = dn[0], encoding.offsets[0]
    zero = -offset if len(dn) >= _MANY else 0.0
    flat: NDArray[np.bool_] = among & ((first <= 0) | (first == zero) | (first > SATURATED * encoding.scale - offset))
    if flat.any():
        flat[flat] = (dn[:, flat] == first[flat]).all(axis=0)
    if encoding.fill_values is not None:
        fill_values = np.asarray(encoding.fill_values).astype(dn.dtype)
        filled: NDArray[np.bool_] = among & (first == fill_values[0])
        filled[filled] = (dn[:, filled] == fill_values[:, None]).all(axis=0)
        flat |= filled
    return flat


def nothing(dtype: DTypeLike, nodata: float | None) -> float:
    """The DN of a pixel that holds no data: `nodata` where the type can hold it, else NaN or 0."""
    kind: np.dtype[Any] = np.dtype(dtype)
    if kind.kind not in "iu":
        return float("nan") if nodata is None else nodata
    return nodata if nodata is not None and np.iinfo(kind).min <= nodata <= np.iinfo(kind).max else 0.0


def to_reflectance(
    dn: NDArray[np.generic], encoding: Encoding, valid: NDArray[np.bool_] | None = None
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Convert DN (C, h, w) to reflectance (C, h, w), float32, 1.0 = 100 %, and the pixels (h, w) that are valid.

    A pixel is valid when every band holds data, unless `valid` (h, w) tells; the others are 0 in every band.
    """
    valid = valid_pixels(dn, encoding) if valid is None else valid
    reflectance = scaled(dn, encoding)
    if not valid.all():
        reflectance[:, ~valid] = 0
    return reflectance, valid


def scaled(dn: NDArray[np.generic], encoding: Encoding, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
    """Convert DN (C, h, w) to reflectance (C, h, w), float32, whether they are data or not; into `out` if given."""
    reflectance = np.empty(dn.shape, np.float32) if out is None else out
    scale = np.float32(encoding.scale)
    if any(encoding.offsets):
        np.add(dn, _column(encoding), out=reflectance, dtype=np.float32, casting="unsafe")
        reflectance /= scale
    else:
        np.divide(dn, scale, out=reflectance, dtype=np.float32, casting="unsafe")
    return reflectance


def to_dn(reflectance: NDArray[np.floating], encoding: Encoding, dtype: DTypeLike) -> NDArray[np.generic]:
    """Convert reflectance (C, h, w) to DN of `dtype`: rounded and kept in the range of an integer type, never no-data.

    A value that would land on the no-data DN takes the nearest other one.
    """
    kind: np.dtype[Any] = np.dtype(dtype)
    exact = reflectance.astype(np.float64) * encoding.scale - _column(encoding)
    if kind.kind not in "iu":
        values = exact.astype(kind)
        if encoding.nodata is not None:
            values[values == kind.type(encoding.nodata)] = np.nextafter(kind.type(encoding.nodata), kind.type(np.inf))
        return values
    limits = np.iinfo(kind)
    rounded = np.clip(np.rint(exact), limits.min, limits.max)
    if encoding.nodata is not None and np.isfinite(encoding.nodata):
        hit = rounded == encoding.nodata
        up = (exact >= encoding.nodata) & (encoding.nodata < limits.max) | (encoding.nodata <= limits.min)
        rounded = np.where(hit, np.where(up, encoding.nodata + 1, encoding.nodata - 1), rounded)
    return rounded.astype(kind)


def _column(encoding: Encoding) -> NDArray[np.float32]:
    return np.asarray(encoding.offsets, dtype=np.float32)[:, None, None]
