"""Digital numbers (DN) of a file to reflectance and back: scale, offset and no-data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


@dataclass(frozen=True)
class Encoding:
    """How a file stores reflectance: reflectance = (DN + offset) / scale.

    Attributes:
        scale: DN per 1.0 reflectance; 10000 in Sentinel-2 products.
        offsets: DN added before dividing, one per band in the file's order; -1000 from processing baseline 04.00 on.
        nodata: the DN that means "no data", or None; values that are not finite never are data.
    """

    scale: float
    offsets: tuple[float, ...]
    nodata: float | None


def valid_pixels(dn: NDArray[np.generic], encoding: Encoding) -> NDArray[np.bool_]:
    """Tell which pixels (h, w) of `dn` (C, h, w) hold data in every band."""
    there = np.ones(dn.shape[1:], np.bool_) if dn.dtype.kind in "iu" else np.isfinite(dn).all(axis=0)
    if encoding.nodata is not None:
        there &= (dn != encoding.nodata).all(axis=0)
    valid: NDArray[np.bool_] = there
    return valid


def to_reflectance(dn: NDArray[np.generic], encoding: Encoding) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Convert DN (C, h, w) to reflectance (C, h, w), float32, 1.0 = 100 %, and the pixels (h, w) that are valid.

    A pixel is valid when every band holds data; the others are 0 in every band.
    """
    valid = valid_pixels(dn, encoding)
    reflectance = dn.astype(np.float32)
    if any(encoding.offsets):
        reflectance += _column(encoding)
    reflectance /= np.float32(encoding.scale)
    if not valid.all():
        reflectance[:, ~valid] = 0
    return reflectance, valid


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
