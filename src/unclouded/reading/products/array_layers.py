"""Which layers of an array are bands: its dimensions in order, their names, and the layers that are no bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import xarray as xr
from rasterio.dtypes import in_dtype_range

from unclouded.errors import InputError
from unclouded.reading.array_classification import classification_among
from unclouded.reading.names.band_names import NamedLayers, name_layers
from unclouded.reading.names.dimensions import dimension
from unclouded.reading.names.missions import refuse_others
from unclouded.reading.products.array_dates import one_date
from unclouded.reading.products.array_encoding import sample_of
from unclouded.reading.products.array_source import DATA_MASK, nodata_of
from unclouded.reading.radiometry.band_order import check_order
from unclouded.reading.source import Wanted


class ArrayLayers(NamedTuple):
    """The layers of an array.

    Attributes:
        array: (band, y, x), without data mask and classification.
        named: which band each layer is.
        classes: (y, x) the scene classification (SCL); None without one.
        notes: what its data mask did; that of `named` are apart.
    """

    array: xr.DataArray
    named: NamedLayers
    classes: xr.DataArray | None
    notes: list[str]


def layers_of_array(array: xr.DataArray, classes: xr.DataArray | None, name: str, wanted: Wanted) -> ArrayLayers:
    """Bring an array of one date into the order band, y, x, and tell its bands from what else lies among them.

    Args:
        array: of any order of dimensions.
        classes: the scene classification, where it comes apart from the bands.
        name: how errors call it.
        wanted: which bands.

    Raises:
        InputError: it has other dimensions, another data type, no pixels, or bands that are not known.
    """
    array = _in_order(one_date(array, name), name)
    if array.dtype.kind not in "iuf":
        raise InputError(f"{name}: is {array.dtype}; integer DN or floating-point reflectance are accepted")
    if not array.size:
        raise InputError(f"{name}: has the shape {dict(array.sizes)}, and so no pixels; give one that has some")
    labels = _labels(array)
    unlabelled = not labels or all(label.isdecimal() for label in labels)
    names = _descriptions(array) if unlabelled else labels
    array, notes = _apply_data_mask(array, names, name)
    names = [text for text in names if text.lower() != DATA_MASK]
    if classes is not None:
        classes = one_date(classes, name).transpose(*array.dims[1:])
    elif (position := classification_among(names)) is not None:
        bands = [other for other in range(len(names)) if other != position]
        array, classes, names = array[bands], array[position], [names[other] for other in bands]
    named = name_layers(name, names, wanted)
    labels = _labels(array)
    refuse_others(name, (str(array.name or ""), *labels))
    if named.order_assumed:
        _check_assumed_order(array, labels if unlabelled else [], name)
    return ArrayLayers(array, named, classes, notes)


def _in_order(array: xr.DataArray, name: str) -> xr.DataArray:
    """Bring the dimensions into the order band, y, x by their names."""
    dims = [dimension(array.dims, role) for role in ("band", "y", "x")]
    if array.ndim != 3 or None in dims:
        raise InputError(
            f"{name}: has the dimensions {dict(array.sizes)}; three dimensions (band, y, x) are accepted, or "
            "lat and lon, latitude and longitude; rename them with .rename()"
        )
    return array.transpose(*(dim for dim in dims if dim is not None))


def _check_assumed_order(array: xr.DataArray, numbers: Sequence[str], name: str) -> None:
    """Refuse the usual order of bands where their numbers or, if they are in memory, their pixels contradict it."""
    if list(map(int, numbers)) != sorted(map(int, numbers)):
        raise InputError(
            f"{name}: its bands have no names, and numbers that do not ascend ({', '.join(numbers[:3])}, …); only "
            "in ascending order is one known; name them in the array's order, for example --band-names B12,B11,…"
        )
    if array.chunks is None:
        check_order(name, sample_of(array))


def _labels(array: xr.DataArray) -> list[str]:
    along = array.dims[0]
    return [str(value) for value in array[along].values] if along in array.coords else []


def _descriptions(array: xr.DataArray) -> list[str]:
    """Descriptions of bands that have numbers alone, where rioxarray leaves those of a file; else empty ones.

    The numbers are those of the file, of whose bands some may have been picked, in another order.
    """
    names, count = array.attrs.get("long_name"), array.shape[0]
    texts = [names] if isinstance(names, str) else list(names) if isinstance(names, list | tuple | np.ndarray) else []
    along = array.dims[0]
    numbers = array[along].values if along in array.coords else np.arange(1, count + 1)
    if numbers.dtype.kind in "iu" and numbers.size and numbers.min() >= 1 and numbers.max() <= len(texts):
        return [str(texts[number - 1]) for number in numbers]
    return [str(text) for text in texts] if len(texts) == count else [""] * count


def _apply_data_mask(array: xr.DataArray, names: Sequence[str], name: str) -> tuple[xr.DataArray, list[str]]:
    """Set to no data what Sentinel Hub's dataMask excludes, where it lies among the bands, and drop that layer."""
    if DATA_MASK not in (lower := [text.lower() for text in names]):
        return array, []
    number = lower.index(DATA_MASK)
    nodata = nodata_of(array)
    fill = np.nan if array.dtype.kind == "f" else 0
    if nodata is not None and in_dtype_range(nodata, str(array.dtype)):
        fill = nodata
    has_data = array[number].reset_coords(drop=True) != 0
    kept = array[[other for other in range(len(names)) if other != number]]
    return kept.where(has_data, array.dtype.type(fill)), [f"pixels that {names[number]} hides are no data"]
