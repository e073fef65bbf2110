"""Scale, offset and no-data value of an array: by its attributes, its STAC item, the user, and its pixels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from unclouded.errors import InputError
from unclouded.reading.products.array_source import nodata_of
from unclouded.reading.products.item_properties import offset_of_item
from unclouded.reading.radiometry.declared import EIGHT_BIT, Declared, from_gdal
from unclouded.reflectance import Encoding

_SAMPLE = 65_536
"""Pixels of an array by which its values are understood."""


def sample_of(array: xr.DataArray) -> list[NDArray[np.generic]]:
    """Read some pixels of each band, evenly spread."""
    step = max(1, int(np.sqrt(array.shape[1] * array.shape[2] / _SAMPLE)))
    return list(array[:, ::step, ::step].to_numpy())


def declared_by_array(array: xr.DataArray, name: str, item: Mapping[str, Any]) -> Declared:
    """What attributes and STAC item say; attributes of values that xarray has decoded hold no longer.

    Args:
        array: (band, y, x).
        name: how errors call it.
        item: its STAC item, as far as that is known.

    Raises:
        InputError: if they contradict each other, or its values are those of a picture.
    """
    count = array.shape[0]
    step, add = (array.attrs.get(key) for key in ("scale_factor", "add_offset"))
    scale, offsets = None, None
    if step is not None or add is not None:
        own = from_gdal(name, [float(1 if step is None else step)] * count, [float(add or 0)] * count)
        scale, offsets = own or (None, None)
    if array.dtype.itemsize == 1 and scale is None:
        raise InputError(f"{name}: is {array.dtype}; {EIGHT_BIT}")
    may_be_dn = array.chunks is None or array.dtype.kind != "f"
    if offsets is None and may_be_dn and (offset := offset_of_item(item)) is not None:
        offsets = (offset,) * count
    return Declared(scale, offsets, nodata_of(array), "its attribute")


def encoding_of_chunks(
    array: xr.DataArray, name: str, declared: Declared, scale: float | None, offset: float | None
) -> Encoding:
    """The encoding of an array in chunks, whose pixels are not read before they are computed.

    Raises:
        InputError: if they are DN, and it is not known whether they carry an offset.
    """
    integer = array.dtype.kind in "iu"
    chosen = scale or declared.scale or (10_000.0 if integer else 1.0)
    if offset is None and declared.offsets is None and chosen > 100:
        raise InputError(
            f"{name}: holds DN in chunks, which are not read in advance; give offset=-1000 (baseline 04.00 or later) "
            "or offset=0 (earlier, or already removed)"
        )
    count = array.shape[0]
    offsets = (float(offset),) * count if offset is not None else declared.offsets or (0.0,) * count
    nodata = 0.0 if declared.nodata is None and integer else declared.nodata
    return Encoding(chosen, offsets, nodata)
