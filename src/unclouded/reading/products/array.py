"""Scenes in memory or opened by xarray: which of their dimensions is which, their bands, their place and their DN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from rasterio.dtypes import in_dtype_range

from unclouded.errors import InputError
from unclouded.reading.array_classification import ArrayClassification, classification_among
from unclouded.reading.grids.array_grid import georeference
from unclouded.reading.info import SceneInfo
from unclouded.reading.names.band_names import name_layers
from unclouded.reading.names.dimensions import dimension
from unclouded.reading.names.missions import refuse_others
from unclouded.reading.names.naming import product_name
from unclouded.reading.products.array_dates import acquired, one_date
from unclouded.reading.products.array_source import MASK, NO_DATA, as_array
from unclouded.reading.products.stac import level_of_item, offset_of_item
from unclouded.reading.radiometry.band_order import check_order
from unclouded.reading.radiometry.encoding import Declared, choose_encoding, from_gdal
from unclouded.reading.radiometry.likeness import Likeness
from unclouded.reading.radiometry.offsets import NO_CIRRUS, choose_level
from unclouded.reading.radiometry.plausibility import FILLED, darkest, data_of
from unclouded.reading.source import Wanted, stem_of
from unclouded.reflectance import Encoding

_BRIGHTEST = 100.0
"""No reflectance is beyond it: such values are DN."""

_OF_DN = ("_FillValue", "missing_value", "nodata", "scale_factor", "add_offset", "units", "valid_min", "valid_max")
"""Attributes that say how an array's values are to be understood, which is not how those of the result are."""

_LOOKED_AT = 65_536
"""Pixels of an array that are looked at, to see what its values are."""


class ArrayScene:
    """An array with the dimensions band, y and x, read window by window: one in chunks is never loaded whole.

    Attributes:
        info: what it is.
        unscaled: whether its values, in chunks, are said to be reflectance and were not looked at.
        order_assumed: whether its bands have no names, and their usual order was taken.
    """

    def __init__(
        self,
        source: Any,  # noqa: ANN401 (whatever a user hands in)
        bands: Sequence[str] | None = None,
        level: str | None = None,
        scale: float | None = None,
        offset: float | None = None,
        *,
        band_names: Sequence[str] | None = None,
        name: str | None = None,
        notes: Sequence[str] = (),
        level_needed: bool = True,
        alike: Likeness | None = None,
    ) -> None:
        """Understand `source`, a DataArray, a Dataset with a variable per band, or a NumPy array (band, y, x).

        The other arguments are those of `open_scene`. The values of an array in chunks are not looked at: what they
        would tell has to be said.

        Raises:
            InputError: if it has other dimensions, bands that are not known, or values that are not understood.
        """
        array, more, classes = as_array(source, name)
        notes = [*notes, *more]
        name = name or str(array.name or "array")
        array = _by_names(one_date(array, name), name)
        if array.dtype.kind not in "iuf":
            raise InputError(f"{name}: is {array.dtype}; integer DN or floating-point reflectance are accepted")
        if not array.size:
            raise InputError(f"{name}: has the shape {dict(array.sizes)}, and so no pixels; give one that has some")
        count, height, width = array.shape
        labels = _labels(array)
        unlabelled = not labels or all(text.isdecimal() for text in labels)
        texts = _described(array, count) if unlabelled else labels
        array, masked = _without_masked(array, texts, name)
        notes += masked
        texts = [text for text in texts if text.lower() != MASK]
        if classes is not None:
            classes = one_date(classes, name).transpose(*array.dims[1:])
        elif (among := classification_among(texts)) is not None:
            kept = [other for other in range(len(texts)) if other != among]
            array, classes, texts = array[kept], array[among], [texts[other] for other in kept]
        labels = _labels(array)
        named = name_layers(name, texts, Wanted(bands, band_names))
        self.order_assumed = named.order_assumed
        refuse_others(name, (str(array.name or ""), *labels))
        numbers = [int(label) for label in labels] if unlabelled else []
        if named.order_assumed and numbers != sorted(numbers):
            raise InputError(
                f"{name}: its bands have no names, and numbers that do not ascend ({', '.join(labels[:3])}, …); only "
                "in ascending order is one known; name them in the array's order, for example --band-names B12,B11,…"
            )
        if named.order_assumed and array.chunks is None:
            check_order(name, _sample(array))
        item = _item_of(array)
        known = product_name(Path(name).name).level or level_of_item(item)
        there = {band for band in named.bands if band is not None}
        if (level or known) == "L2A" and "B10" in there:
            there.remove("B10")
            notes += [NO_CIRRUS] if "B10" in named.taken else []
        kept = [number for number, band in enumerate(named.bands) if band in named.taken & there]
        names, count = tuple(band for band in named.bands if band in named.taken & there and band), len(kept)
        # All as it is: dask would read what is picked once, and hold it from the summary until it is cleared.
        self._array = array = array if count == array.shape[0] else array.isel({array.dims[0]: kept})
        sample = cache(lambda: _sample(array))
        notes += named.notes
        declared = _declared(array, name)
        if declared.offsets is None and (array.chunks is None or array.dtype.kind != "f"):  # of what may be DN
            offset_said = offset_of_item(item)
            declared = replace(declared, offsets=None if offset_said is None else (offset_said,) * count)
        self.unscaled = array.chunks is not None and array.dtype.kind == "f" and scale is None
        if array.chunks is not None:
            encoding = _unseen_encoding(array, name, declared, scale, offset)
            dark = None
        else:
            encoding, more = choose_encoding(name, names, array.dtype, declared, sample, scale, offset, alike)
            notes += more
            dark = cache(lambda: darkest(names, data_of(sample(), encoding)))
        chosen, more = choose_level(name, known, there, level, dark, alike, needed=level_needed)
        crs, transform, placed = georeference(array)
        self.info = SceneInfo(
            source=name,
            stem=stem_of(name),
            width=width,
            height=height,
            crs=crs,
            transform=transform,
            bands=names,
            level=chosen,
            encoding=encoding,
            dtype=array.dtype,
            descriptions=names,
            # What attributes, an item or the user say of the DN goes along with them into files.
            scales=(1.0 / encoding.scale,) * count,
            gdal_offsets=tuple(offset / encoding.scale for offset in encoding.offsets),
            tags={},
            notes=(*notes, *more, *placed),
            acquired=acquired(array),
            classification="" if classes is None else ArrayClassification(name, classes, _no_data(classes)),
        )

    @property
    def coordinates(self) -> Mapping[str, Any]:
        """Coordinates of the result but its `band` and its grid mapping."""
        names = dict(zip(self._array.dims, ("band", "y", "x"), strict=True))
        return {
            str(names.get(name, name)): xr.Variable([names[d] for d in kept.dims], kept.variable.data, kept.attrs)
            for name, kept in self._array.coords.items()
            if name != self._array.dims[0] and "crs_wkt" not in kept.attrs
        }

    @property
    def attributes(self) -> Mapping[str, Any]:
        """Attributes of the result: those that do not describe the DN."""
        left = (*_OF_DN, "valid_range", "grid_mapping")
        return {str(name): value for name, value in self._array.attrs.items() if name not in left}

    @property
    def chunks(self) -> Any:  # noqa: ANN401 (a dask array, which need not be installed)
        """The array as a dask array, (C, H, W); None if it is not one."""
        return None if self._array.chunks is None else self._array.data

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[Any]:
        """Read a window (C, height, width).

        Raises:
            InputError: if values are said to be reflectance and cannot be.
        """
        window: NDArray[Any] = self._array[:, row : row + height, column : column + width].to_numpy()
        if self.unscaled:
            refuse_dn(window, self.info)
        return window

    def overview(self, bands: Sequence[str], height: int, width: int) -> NDArray[Any]:
        """Read bands (C, height, width) of the whole scene at a smaller size."""
        rows, columns = (
            (np.arange(small) * size // small) for small, size in ((height, self.info.height), (width, self.info.width))
        )
        positions = [self.info.bands.index(band) for band in bands]
        pixels: NDArray[Any] = self._array[positions, rows, columns].to_numpy()
        return pixels

    def close(self) -> None:
        """Close the file behind the array, if there is one."""
        self._array.close()

    def __enter__(self) -> ArrayScene:
        """Return the scene itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file behind the array."""
        self.close()


def refuse_dn(values: NDArray[Any], info: SceneInfo) -> None:
    """Check that values may be reflectance, of pixels that hold data.

    Raises:
        InputError: naming the source, if they are too large.
    """
    nodata = info.encoding.nodata
    there = np.isfinite(values) & (values < FILLED) & (values != nodata)
    if float(np.max(values, where=there, initial=0)) > _BRIGHTEST:
        raise InputError(
            f"{info.source}: {values.dtype} values above {_BRIGHTEST:.0f} are not reflectance; "
            "give scale=10000 and the offset if they are DN"
        )


def _by_names(array: xr.DataArray, name: str) -> xr.DataArray:
    """Bring the dimensions into the order band, y, x by what they are called."""
    dims = [dimension(array.dims, role) for role in ("band", "y", "x")]
    if array.ndim != 3 or None in dims:
        raise InputError(
            f"{name}: has the dimensions {dict(array.sizes)}; three dimensions (band, y, x) are accepted, or "
            "lat and lon, latitude and longitude; rename them with .rename()"
        )
    return array.transpose(*(dim for dim in dims if dim is not None))


def _labels(array: xr.DataArray) -> list[str]:
    along = array.dims[0]
    return [str(value) for value in array[along].values] if along in array.coords else []


def _described(array: xr.DataArray, count: int) -> list[str]:
    """Descriptions of bands that have numbers alone, where rioxarray leaves those of a file; else empty ones.

    The numbers are those of the file, of whose bands some may have been picked, in another order.
    """
    said = array.attrs.get("long_name")
    texts = [said] if isinstance(said, str) else list(said) if isinstance(said, list | tuple | np.ndarray) else []
    along = array.dims[0]
    numbers = array[along].values if along in array.coords else np.arange(1, count + 1)
    if numbers.dtype.kind in "iu" and numbers.size and numbers.min() >= 1 and numbers.max() <= len(texts):
        return [str(texts[number - 1]) for number in numbers]
    return [str(text) for text in texts] if len(texts) == count else [""] * count


def _without_masked(array: xr.DataArray, texts: Sequence[str], name: str) -> tuple[xr.DataArray, list[str]]:
    """Make no data of what Sentinel Hub's dataMask says to be none, where it lies among the bands, and leave it out."""
    if MASK not in (lower := [text.lower() for text in texts]):
        return array, []
    number = lower.index(MASK)
    nodata = _declared(array, name).nodata
    fill = np.nan if array.dtype.kind == "f" else 0
    if nodata is not None and in_dtype_range(nodata, str(array.dtype)):
        fill = nodata
    seen = array[number].reset_coords(drop=True) != 0
    kept = array[[other for other in range(len(texts)) if other != number]]
    return kept.where(seen, array.dtype.type(fill)), [f"pixels that {texts[number]} hides are no data"]


def _sample(array: xr.DataArray) -> list[NDArray[np.generic]]:
    step = max(1, int(np.sqrt(array.shape[1] * array.shape[2] / _LOOKED_AT)))
    return list(array[:, ::step, ::step].to_numpy())


def _item_of(array: xr.DataArray) -> dict[str, Any]:
    """What stackstac and others leave of the STAC item of an array's date: its properties as coordinates."""
    scalars = {str(name): kept.values.item() for name, kept in array.coords.items() if kept.size == 1}
    return {"id": scalars.get("id"), "properties": scalars}


def _no_data(array: xr.DataArray) -> float | None:
    fills = [found[key] for found in (array.attrs, array.encoding) for key in NO_DATA if found.get(key) is not None]
    return float(np.asarray(fills[0]).ravel()[0]) if fills else None


def _declared(array: xr.DataArray, name: str) -> Declared:
    """What the attributes say: those of values that xarray has decoded are in its encoding and hold no longer."""
    nodata = _no_data(array)
    step, add = (array.attrs.get(key) for key in ("scale_factor", "add_offset"))
    if step is None and add is None:
        return Declared(nodata=nodata)
    count = array.shape[0]
    own = from_gdal(name, [float(1 if step is None else step)] * count, [float(add or 0)] * count)
    return Declared(own and own[0], own and own[1], nodata, "its attribute")


def _unseen_encoding(
    array: xr.DataArray, name: str, declared: Declared, scale: float | None, offset: float | None
) -> Encoding:
    """The encoding of an array in chunks, whose values are not looked at before they are computed."""
    integer, given = array.dtype.kind in "iu", scale or declared.scale
    chosen = given or (10_000.0 if integer else 1.0)
    if offset is None and declared.offsets is None and chosen > 100:
        raise InputError(
            f"{name}: holds DN in chunks, which are not looked at; give offset=-1000 (baseline 04.00 or later) or "
            "offset=0 (earlier, or already removed)"
        )
    count = array.shape[0]
    offsets = (float(offset),) * count if offset is not None else declared.offsets or (0.0,) * count
    nodata = 0.0 if declared.nodata is None and integer else declared.nodata
    return Encoding(chosen, offsets, nodata)
