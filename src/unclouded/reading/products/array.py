"""Scenes in memory or opened by xarray: which of their dimensions is which, their bands, their place and their DN."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from unclouded.errors import InputError
from unclouded.reading.array_classification import ArrayClassification
from unclouded.reading.grids.array_grid import georeference
from unclouded.reading.grids.grid import pixel_metres
from unclouded.reading.info import SceneInfo
from unclouded.reading.names.band_names import NamedLayers
from unclouded.reading.names.product_name import product_name
from unclouded.reading.products.array_dates import acquired
from unclouded.reading.products.array_encoding import declared_by_array, encoding_of_chunks, sample_of
from unclouded.reading.products.array_layers import layers_of_array
from unclouded.reading.products.array_source import as_array, nodata_of
from unclouded.reading.products.item_properties import level_of_item
from unclouded.reading.radiometry.band_order import refuse_numbered
from unclouded.reading.radiometry.encoding import check_scale_and_offset, choose_encoding
from unclouded.reading.radiometry.fallback import FallbackRadiometry
from unclouded.reading.radiometry.levels import NO_CIRRUS, choose_level
from unclouded.reading.radiometry.plausibility import HIGHEST_DN, darkest, data_of
from unclouded.reading.source import Wanted, stem_of

_BRIGHTEST = 100.0
"""No reflectance is beyond it: such values are DN."""

_OF_DN = ("_FillValue", "missing_value", "nodata", "scale_factor", "add_offset", "units", "valid_min", "valid_max")
"""Attributes that say how an array's values are to be understood, which is not how those of the result are."""


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
        fallback: FallbackRadiometry | None = None,
    ) -> None:
        """Understand `source`, a DataArray, a Dataset with a variable per band, or a NumPy array (band, y, x).

        The other arguments are those of `open_scene`. The values of an array in chunks are not looked at: what they
        would tell has to be said.

        Raises:
            InputError: if it has other dimensions, bands that are not known, or values that are not understood.
        """
        array, source_notes, classes = as_array(source, name)
        name = name or str(array.name or "array")
        check_scale_and_offset(name, scale, offset)
        layers = layers_of_array(array, classes, name, Wanted(bands, band_names))
        self.order_assumed = layers.named.order_assumed
        item = _item_of(layers.array)
        known_level = product_name(Path(name).name).level or level_of_item(item)
        available, taken, cirrus_notes = _without_cirrus(layers.named, level or known_level)
        self._array = array = _select(layers.array, [band in taken for band in layers.named.bands])
        names = tuple(band for band in layers.named.bands if band in taken and band is not None)
        sample = cache(lambda: sample_of(array))
        declared = declared_by_array(array, name, item)
        self.unscaled = array.chunks is not None and array.dtype.kind == "f" and scale is None
        encoding_notes, lows = list[str](), None
        if array.chunks is not None:
            encoding = encoding_of_chunks(array, name, declared, scale, offset)
        else:
            encoding, encoding_notes = choose_encoding(
                name, names, array.dtype, declared, sample, scale, offset, fallback
            )
            lows = cache(lambda: darkest(names, data_of(sample(), encoding)))
        chosen, level_notes = choose_level(name, known_level, available, level, lows, fallback, needed=level_needed)
        crs, transform, grid_notes = georeference(array)
        if array.chunks is None and band_names is None:
            metres = pixel_metres(crs, transform, *array.shape[1:])
            refuse_numbered(name, names, available.difference(names), sample, metres)
        self.info = SceneInfo(
            source=name,
            stem=stem_of(name),
            width=array.shape[2],
            height=array.shape[1],
            crs=crs,
            transform=transform,
            bands=names,
            level=chosen,
            encoding=encoding,
            dtype=array.dtype,
            descriptions=names,
            # What attributes, an item or the user say of the DN goes along with them into files.
            scales=(1.0 / encoding.scale,) * len(names),
            gdal_offsets=tuple(offset / encoding.scale for offset in encoding.offsets),
            tags={},
            notes=(
                *notes,
                *source_notes,
                *layers.notes,
                *cirrus_notes,
                *layers.named.notes,
                *encoding_notes,
                *level_notes,
                *grid_notes,
            ),
            acquired=acquired(array),
            classification=""
            if layers.classes is None
            else ArrayClassification(name, layers.classes, nodata_of(layers.classes)),
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
    finite = np.isfinite(values) & (values < HIGHEST_DN) & (values != nodata)
    if float(np.max(values, where=finite, initial=0)) > _BRIGHTEST:
        raise InputError(
            f"{info.source}: {values.dtype} values above {_BRIGHTEST:.0f} are not reflectance; "
            "give scale=10000 and the offset if they are DN"
        )


def _select(array: xr.DataArray, taken: Sequence[bool]) -> xr.DataArray:
    """The layers that are taken; the array itself if all are.

    Dask would compute a selection once, and hold it from the summary until it is cleared.
    """
    return array if all(taken) else array.isel({array.dims[0]: np.flatnonzero(taken)})


def _without_cirrus(named: NamedLayers, level: str | None) -> tuple[frozenset[str], frozenset[str], list[str]]:
    """The bands of an array and those that are taken, without B10 in L2A, and a note; see `levels.without_cirrus`."""
    available = frozenset(band for band in named.bands if band is not None)
    if level != "L2A" or "B10" not in available:
        return available, named.taken, []
    return available - {"B10"}, named.taken - {"B10"}, [NO_CIRRUS] if "B10" in named.taken else []


def _item_of(array: xr.DataArray) -> dict[str, Any]:
    """What stackstac and others leave of the STAC item of an array's date: its properties as coordinates."""
    scalars = {str(name): kept.values.item() for name, kept in array.coords.items() if kept.size == 1}
    return {"id": scalars.get("id"), "properties": scalars}
