"""Pixels of open files, without those that a mask or an alpha channel hides; and some of them, to see what they are."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window

from unclouded.errors import FileError
from unclouded.reading.files.raster import FAULTS, is_remote, open_raster, read_overview, read_window, shown
from unclouded.reading.names.naming import band_named
from unclouded.reading.source import Layer
from unclouded.reflectance import nothing

_SIDE, _PLACES = 16, 5
"""A sample of a large file: windows of so many pixels a side, at so many places down and across."""

_WHOLE = 256
"""Files up to so many pixels a side are looked at whole; of others with overviews far away, one of this size is."""

_SAMPLE_CACHE = 64 * 2**20
"""Bytes that GDAL may keep of blocks while it samples a file."""


def alpha_of(dataset: DatasetReader) -> int | None:
    """The index of the layer that is 0 where a file holds no data: an alpha channel, or Sentinel Hub's dataMask.

    One that is named after a band is that band: programs call the fourth of red, green, blue and infrared alpha.
    """
    layers = zip(dataset.indexes, dataset.colorinterp, map(str, dataset.descriptions), strict=True)
    alphas = (n for n, use, text in layers if _hides(use, text))
    return next(alphas, None)


def _hides(use: ColorInterp, text: str) -> bool:
    return text.lower() == "datamask" or (use == ColorInterp.alpha and band_named(text) is None)


def is_masked(dataset: DatasetReader, index: int) -> bool:
    """Tell whether a band has a mask beside its pixels: an internal one, a .msk file or a layer (see `alpha_of`)."""
    flags = dataset.mask_flag_enums[index - 1]
    return (MaskFlags.per_dataset in flags and MaskFlags.alpha not in flags) or alpha_of(dataset) is not None


def read_unmasked(
    dataset: DatasetReader, indexes: Sequence[int], window: Window, nodata: float | None
) -> NDArray[np.generic]:
    """Read bands (C, h, w) of a window, in which what is hidden is no data: `nodata`, else NaN or 0.

    Raises:
        FileError: blocks are missing or damaged.
    """
    return _hide(dataset, indexes, read_window(dataset, indexes, window), nodata, window=window)


def read_unmasked_overview(
    dataset: DatasetReader, indexes: Sequence[int], height: int, width: int, nodata: float | None
) -> NDArray[np.generic]:
    """Read whole bands (C, height, width), averaged to a smaller size, likewise.

    Raises:
        FileError: blocks are missing or damaged.
    """
    pixels = read_overview(dataset, indexes, height, width)
    return _hide(dataset, indexes, pixels, nodata, out_shape=(height, width))


def _hide(
    dataset: DatasetReader,
    indexes: Sequence[int],
    pixels: NDArray[np.generic],
    nodata: float | None,
    **where: Any,  # noqa: ANN401 (what rasterio is told of the window)
) -> NDArray[np.generic]:
    alpha = alpha_of(dataset)
    for position, index in enumerate(indexes):
        if not is_masked(dataset, index):
            continue
        try:
            # GDAL itself takes an alpha channel for a mask only where it is the second or fourth band.
            mask = dataset.read_masks(index, **where) if alpha is None else dataset.read(alpha, **where)
        except FAULTS as error:
            raise FileError(
                f"{shown(dataset.name)}: its mask cannot be read: cut short or damaged; copy or download it again"
            ) from error
        pixels[position, mask == 0] = nothing(pixels.dtype, nodata)
    return pixels


def sample_layers(layers: Sequence[Layer], datasets: dict[str, DatasetReader]) -> list[NDArray[np.generic]]:
    """Read some DN (rows, width) of each layer, see `sample`; those of one file are of the same places."""
    found: dict[tuple[str, int], NDArray[np.generic]] = {}
    for path, dataset in datasets.items():
        indexes = [layer.index for layer in layers if layer.path == path]
        for index, values in zip(indexes, sample(dataset, indexes), strict=True):
            found[path, index] = values
    return [found[layer.path, layer.index] for layer in layers]


def sample(dataset: DatasetReader, indexes: Sequence[int]) -> NDArray[np.generic]:
    """Read some pixels (C, rows, width) spread over the dataset: all of a small one, else small windows in one column.

    Neighbours along a row are neighbours in the dataset.
    """
    height, width = dataset.shape
    nodata = dataset.nodatavals[indexes[0] - 1]
    if height * width <= _WHOLE**2:
        return read_unmasked(dataset, indexes, Window(0, 0, width, height), nodata)
    if dataset.overviews(indexes[0]) and (is_remote(dataset.name) or dataset.driver != "GTiff"):
        # One small image instead of many blocks, each of which is a request or a whole JPEG 2000 tile to decode.
        small = max(1, height * _WHOLE // max(height, width)), max(1, width * _WHOLE // max(height, width))
        return read_unmasked_overview(dataset, indexes, *small, nodata)
    if dataset.driver != "GTiff" or not os.path.isfile(dataset.name):
        return _spread(dataset, indexes)
    status = os.stat(dataset.name)
    return _spread_in_file(dataset.name, tuple(indexes), (status.st_size, status.st_mtime_ns))


@lru_cache(maxsize=16)
def _spread_in_file(path: str, indexes: tuple[int, ...], stamp: tuple[int, int]) -> NDArray[np.generic]:
    """The same as `_spread`, once for a file as long as its size and time of change are those of the `stamp`.

    A scene is opened to plan, and again to clear it; each time 25 blocks of every band would be decoded.
    """
    with open_raster(path) as dataset:
        values = _spread(dataset, indexes)
    values.flags.writeable = False  # whoever asks next gets the same
    return values


def _spread(dataset: DatasetReader, indexes: Sequence[int]) -> NDArray[np.generic]:
    """Read small windows spread over a dataset, see `sample`."""
    height, width = dataset.shape
    nodata = dataset.nodatavals[indexes[0] - 1]
    parts = []
    # Nobody asks for these blocks again, of which GDAL would keep 25 for each image that is opened.
    with rasterio.Env(GDAL_CACHEMAX=_SAMPLE_CACHE):
        for row in np.linspace(0, max(height - _SIDE, 0), _PLACES).astype(int):
            for column in np.linspace(0, max(width - _SIDE, 0), _PLACES).astype(int):
                window = Window(int(column), int(row), min(_SIDE, width), min(_SIDE, height))
                parts.append(read_unmasked(dataset, indexes, window, nodata))
    return np.concatenate(parts, axis=1)
