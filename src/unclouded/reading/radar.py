"""Radar backscatter on the grid of a scene: Sentinel-1 VV and VH in dB."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.io import DatasetReader
from rasterio.windows import Window

from unclouded.errors import FileError, InputError
from unclouded.guides import RADAR
from unclouded.reading.files.georeference import check_georeference
from unclouded.reading.files.pixels import sample
from unclouded.reading.files.raster import FAULTS, environment, is_remote, missing_file, open_raster, shown
from unclouded.reading.grids.overlap import check_overlap
from unclouded.reading.grids.warped import on_grid
from unclouded.reading.info import SceneInfo

CHANNELS = RADAR.channels

_FAINTEST = -50.0
"""dB that no median of backscatter is below: the noise of the instrument is at -30, scaled numbers are at -1500."""

_SWAPPED = 2.0
"""dB by which the second of two bands without names outshines the first where it is VV: of 130 real patches none."""


class Radar:
    """Open radar on a scene's grid; use it as a context manager."""

    def __init__(self, layers: list[tuple[DatasetReader, int]], info: SceneInfo) -> None:
        self._info = info
        self._layers = [(_on_grid(dataset, info), index) for dataset, index in layers]
        self._files = [dataset for dataset, _ in layers]

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[np.float32]:
        """Read the window (2, height, width) of VV and VH in dB, float32; NaN in both where one is missing, or both 0.

        Raises:
            FileError: a block is missing or damaged.
            ValueError: the window leaves the scene's grid.
        """
        self._info.check_window(row, column, height, width)
        window = Window(column, row, width, height)
        decibels = np.empty((len(CHANNELS), height, width), np.float32)
        for position, (dataset, index) in enumerate(self._layers):
            file = self._files[position]
            try:
                with environment(file.name):
                    decibels[position] = dataset.read(index, window=window, out_dtype="float32")
            except FAULTS as error:
                raise FileError(
                    f"{shown(file.name)}: cannot be read: cut short or damaged; copy or download it again"
                ) from error
            if file.nodata is not None:
                decibels[position][decibels[position] == np.float32(file.nodata)] = np.nan
        decibels[:, ~np.isfinite(decibels).all(0) | (decibels == 0).all(0)] = np.nan
        return decibels

    def close(self) -> None:
        """Close the radar's files."""
        for (view, _), file in zip(self._layers, self._files, strict=True):
            view.close()
            file.close()

    def __enter__(self) -> Radar:
        """Return the radar itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the radar's files."""
        self.close()


def open_radar(path: str | os.PathLike[str], info: SceneInfo) -> Radar:
    """Open Sentinel-1 VV and VH in dB for the scene that `info` describes, brought to its grid where theirs differs.

    `path` is a GeoTIFF with two bands (VV, VH, or named so), or a folder with one file each, as BigEarthNet's.

    Raises:
        InputError: not two channels, not in dB, no georeference, or nothing in common with the scene's area.
        FileError: a file is missing, empty, damaged or cut short.
    """
    name = shown(os.fspath(path))
    layers: list[tuple[DatasetReader, int]] = []
    try:
        if not os.fspath(path):
            raise missing_file("")
        for file, index in _find_channels(os.fspath(path)):
            dataset = open_raster(file)
            layers.append((dataset, index or _described(dataset, name, len(layers))))
            check_georeference(dataset)
            info = _placed(info, dataset, name)
            check_overlap(name, dataset.crs, dataset.bounds, info, "the radar of the same area")
        _check_decibels(layers, name)
        with environment(name):
            return Radar(layers, info)
    except BaseException:
        for dataset, _ in layers:
            dataset.close()
        raise


def _placed(info: SceneInfo, dataset: DatasetReader, name: str) -> SceneInfo:
    """Take a scene without a reference system for one in that of the radar, or without a place for one on its grid."""
    if info.crs is not None:
        return info
    if not info.transform.is_identity:
        return replace(info, crs=dataset.crs)
    if dataset.shape != (info.height, info.width):
        raise InputError(
            f"{name}: has {dataset.width} x {dataset.height} pixels, the scene, which has no place on the ground, "
            f"{info.width} x {info.height}; georeference the scene, or give radar of its size"
        )
    return replace(info, crs=dataset.crs, transform=dataset.transform)


def _find_channels(path: str) -> list[tuple[str, int | None]]:
    if is_remote(path) or not Path(path).is_dir():
        return [(path, None)] * len(CHANNELS)
    found: list[tuple[str, int | None]] = []
    for channel in CHANNELS:
        files = sorted(file for file in Path(path).glob("*.tif") if channel in file.stem.upper().split("_"))
        if len(files) != 1:
            raise InputError(
                f"{path}: holds {len(files)} files named …_{channel}.tif; one of each of VV and VH is accepted"
            )
        found.append((str(files[0]), 1))
    return found


def _described(dataset: DatasetReader, name: str, position: int) -> int:
    """Return the 1-based band of channel number `position`: by description, else VV before VH."""
    texts = [(text or "").upper() for text in dataset.descriptions]
    named = [n for n, text in enumerate(texts, start=1) if CHANNELS[position] in text]
    if len(named) == 1:
        return named[0]
    if dataset.count != len(CHANNELS) or any("V" in text for text in texts):
        raise InputError(
            f"{name}: holds {dataset.count} bands ({', '.join(text or 'no name' for text in texts)}); "
            "radar is two bands, VV and VH in dB; select them with gdal_translate -b"
        )
    return position + 1


def _check_decibels(layers: list[tuple[DatasetReader, int]], name: str) -> None:
    """Refuse what is not in dB, and two bands that nothing names and that are VH and VV by their pixels."""
    channels = [sample(dataset, [index]).ravel() for dataset, index in layers]
    if channels[0].dtype.kind == "c":
        raise InputError(f"{name}: is complex; VV and VH as backscatter in dB are accepted")
    nodata = layers[0][0].nodata
    known = [dn[np.isfinite(dn) & (dn != nodata) & (dn != 0)].astype(np.float64) for dn in channels]
    values = np.concatenate(known)
    if not values.size:
        return
    median = float(np.median(values))
    if float(np.percentile(values, 5)) >= 0 or median < _FAINTEST:
        found = f"has a median of {median:.3g}" if median < 0 else f"has no negative values (median {median:.3g})"
        raise InputError(f"{name}: {found}, so it is not in dB; give 10 log10 of the backscatter")
    first, second = (float(np.median(channel)) if channel.size else median for channel in known)
    if layers[0][0].count == len(CHANNELS) and not any(layers[0][0].descriptions) and second - first > _SWAPPED:
        raise InputError(
            f"{name}: its second band is brighter ({second:.3g} dB) than its first ({first:.3g} dB), as VV beside VH "
            "is, and neither has a name; VV and VH are accepted in that order: run gdal_translate -b 2 -b 1"
        )


def _on_grid(dataset: DatasetReader, info: SceneInfo) -> Any:  # noqa: ANN401 (as of `on_grid`)
    nodata = np.nan if dataset.nodata is None else dataset.nodata
    return on_grid(dataset, info, Resampling.bilinear, source_nodata=nodata, nodata=np.nan, dtype="float32")
