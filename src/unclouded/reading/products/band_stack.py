"""Bands of a Dataset one upon the other, read as they are asked for: xarray's own stacking loads them."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from xarray.backends import BackendArray
from xarray.core import indexing

from unclouded.reading.grids.grid import interpolate, neighbours


def stack_bands(source: xr.Dataset, variables: Sequence[Hashable], names: Sequence[str], name: str) -> xr.DataArray:
    """Stack variables of the same dimensions, lazily unless they are in chunks: (band, ...), called `names`."""
    bands = source[list(variables)]
    if any(band.chunks for band in bands.data_vars.values()):
        return bands.to_array("band", name=name).assign_coords(band=list(names))
    first = bands[variables[0]]
    stacked = xr.Variable(
        ("band", *first.dims), indexing.LazilyIndexedArray(_Stack([bands[v].variable for v in variables]))
    )
    return xr.DataArray(stacked, {**bands.coords, "band": list(names)}, name=name)


def refine(coarse: xr.DataArray, fine: xr.DataArray) -> xr.Variable:
    """A band (y, x) brought to the grid of a finer one lazily, bilinearly as `grids.grid.Resampled` brings files.

    Its fill value, by the attribute `_FillValue`, else 0 of integers, does not bleed.
    """
    held = indexing.LazilyIndexedArray(_Finer(coarse, fine))
    return xr.Variable(fine.dims, held, coarse.attrs, coarse.encoding)


class _Lazy(BackendArray):
    """What is read by a key for each of its dimensions: a number, a slice or positions."""

    shape: tuple[int, ...]

    def __getitem__(self, key: indexing.ExplicitIndexer) -> Any:  # noqa: ANN401 (what xarray has it give)
        return indexing.explicit_indexing_adapter(key, self.shape, indexing.IndexingSupport.OUTER, self._read)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        raise NotImplementedError


class _Stack(_Lazy):
    def __init__(self, bands: Sequence[xr.Variable]) -> None:
        self._bands = bands
        self.shape = len(bands), *bands[0].shape
        self.dtype = np.result_type(*(band.dtype for band in bands))

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        first, *rest = key
        numbers = np.arange(len(self._bands))[first]
        stacked = [self._bands[number][tuple(rest)].to_numpy() for number in np.atleast_1d(numbers)]
        made = np.stack(stacked).astype(self.dtype, copy=False)
        return made if np.ndim(numbers) else np.asarray(made[0])


class _Finer(_Lazy):
    def __init__(self, coarse: xr.DataArray, fine: xr.DataArray) -> None:
        self._coarse, self.shape, self.dtype = coarse.variable, fine.shape, coarse.dtype
        self._axes = [_mapped(coarse, fine, *dims) for dims in zip(coarse.dims, fine.dims, strict=True)]
        self._nodata = coarse.attrs.get("_FillValue", 0 if self.dtype.kind in "iu" else None)

    def _read(self, key: tuple[Any, ...]) -> NDArray[Any]:
        wanted = [np.arange(size)[one] for size, one in zip(self.shape, key, strict=True)]
        rows, columns = (
            neighbours(start, step, np.atleast_1d(positions), size)
            for (start, step), positions, size in zip(self._axes, wanted, self._coarse.shape, strict=True)
        )
        made: NDArray[Any] = np.empty((len(rows.before), len(columns.before)), self.dtype)
        if made.size:
            top, left = int(rows.before.min()), int(columns.before.min())
            window = self._coarse[top : int(rows.after.max()) + 1, left : int(columns.after.max()) + 1].to_numpy()
            valid = np.isfinite(window) if self._nodata is None else np.isfinite(window) & (window != self._nodata)
            made = np.asarray(interpolate(window, valid, rows.counted_from(top), columns.counted_from(left)))
        return made.reshape([len(positions) for positions in wanted if np.ndim(positions)])


def _mapped(coarse: xr.DataArray, fine: xr.DataArray, along: Hashable, along_fine: Hashable) -> tuple[float, float]:
    """Where the finer pixels start along an axis, and their size, in pixels of the coarse band."""
    own, theirs = coarse[along].to_numpy(), fine[along_fine].to_numpy()
    size = float(own[1] - own[0])
    step = float(theirs[1] - theirs[0]) / size
    return float(theirs[0] - own[0]) / size + (1 - step) / 2, step
