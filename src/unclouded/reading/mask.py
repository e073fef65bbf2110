"""Masks that a user brings, or that a product carries, on the grid of a scene: class values, never interpolated."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning
from rasterio.io import DatasetReader, MemoryFile
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from unclouded.errors import FileError, InputError
from unclouded.reading.array_classification import NO_VALUE
from unclouded.reading.files.georeference import check_georeference
from unclouded.reading.files.raster import FAULTS, environment, open_raster, read_window, shown
from unclouded.reading.grids.overlap import check_overlap, share_beyond
from unclouded.reading.grids.warped import on_grid
from unclouded.reading.info import SceneInfo
from unclouded.reading.names.dimensions import dimension
from unclouded.tiles import Box, cut

_BLOCK = 2048
"""Side in pixels of what is read at once to look for the values of a mask."""


class MaskRaster:
    """A mask of class values on a scene's grid; use it as a context manager.

    Attributes:
        name: how errors call it.
        label: file name and band description, by which a scheme of classes may be known.
        tags: of its file, likewise.
    """

    def __init__(self, dataset: DatasetReader, name: str, info: SceneInfo, band: int = 1) -> None:
        self.name, self._band = name, band
        self.label = f"{os.path.basename(name)} {dataset.descriptions[band - 1] or ''}"
        self.tags: dict[str, str] = dataset.tags()
        self._dataset, self._info = dataset, info
        self._whole = whole = info.of_whole()
        # Beyond its edge stands what means no data, where zero would mean clear.
        nodata = float(NO_VALUE) if dataset.nodata is None else dataset.nodata
        dtype = "float64" if dataset.dtypes[band - 1].startswith("float") else "int32"
        self._view: Any = dataset
        if dataset.crs is not None and whole.crs is not None:
            self._view = on_grid(
                dataset, whole, Resampling.nearest, source_nodata=dataset.nodata, nodata=nodata, dtype=dtype
            )

    def read(self, row: int, column: int, height: int, width: int) -> NDArray[np.int32]:
        """Read the window (height, width) of class values, `NO_VALUE` where there are none.

        Raises:
            FileError: a block is missing or damaged.
            InputError: a value is not a whole number.
        """
        region = self._info.region
        down, across = (0, 0) if region is None else (region.cut.row, region.cut.column)
        return self._read(Box(row + down, column + across, height, width))

    def _read(self, box: Box) -> NDArray[np.int32]:
        """Read a box of the grid of the whole scene."""
        window = Window(box.column, box.row, box.width, box.height)
        if isinstance(self._view, WarpedVRT):
            try:
                with environment(self._dataset.name):
                    pixels = self._view.read(self._band, window=window)
            except FAULTS as error:
                raise FileError(f"{self.name}: cannot be read: cut short or damaged; copy it again") from error
        else:
            pixels = read_window(self._dataset, [self._band], window)[0]
        return self._whole_numbers(pixels)

    def _whole_numbers(self, pixels: NDArray[Any]) -> NDArray[np.int32]:
        missing = ~np.isfinite(pixels) if pixels.dtype.kind == "f" else np.zeros(pixels.shape, np.bool_)
        if self._dataset.nodata is not None:
            missing |= pixels == self._dataset.nodata
        known = pixels[~missing]
        if known.dtype.kind == "f" and (known != np.rint(known)).any():
            raise InputError(
                f"{self.name}: holds fractions such as {float(known[known != np.rint(known)][0]):.3g}; classes or true "
                "and false are accepted: apply a threshold to a probability first"
            )
        if known.size and (known.min() < NO_VALUE or known.max() > np.iinfo(np.int32).max):
            raise InputError(f"{self.name}: holds {known.min():g} to {known.max():g}; classes from 0 on are accepted")
        values = np.full(pixels.shape, NO_VALUE, np.int32)
        values[~missing] = known
        return values

    @cached_property
    def values(self) -> tuple[int, ...]:
        """The class values that it holds in the scene's area, in ascending order, without `NO_VALUE`."""
        boxes = _blocks(self._info)
        return _values_of(self.read(box.row, box.column, box.height, box.width) for box in boxes)

    @cached_property
    def values_of_whole(self) -> tuple[int, ...]:
        """The same of the whole scene, of which the area may be a part that lacks what tells classes apart."""
        return _values_of(map(self._read, _blocks(self._whole)))

    @cached_property
    def beyond(self) -> float:
        """Share of the scene's area, 0 to 1, that lies beyond the mask's edge."""
        if self._dataset.crs is None or self._info.crs is None:
            return 0.0
        return share_beyond(self._dataset.crs, self._dataset.bounds, self._info.of_region())

    def close(self) -> None:
        """Close the mask's file."""
        if self._view is not self._dataset:
            self._view.close()
        self._dataset.close()

    def __enter__(self) -> MaskRaster:
        """Return the mask itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the mask's file."""
        self.close()


def _blocks(info: SceneInfo) -> Iterator[Box]:
    return (tile.inner for tile in cut(info.height, info.width, size=_BLOCK))


def _values_of(windows: Iterable[NDArray[np.int32]]) -> tuple[int, ...]:
    found: set[int] = set()
    for window in windows:
        found.update(np.unique(window).tolist())
    return tuple(sorted(found - {NO_VALUE}))


def open_mask(path: str | os.PathLike[str], info: SceneInfo, name: str = "", band: int | None = None) -> MaskRaster:
    """Open a mask file for the scene that `info` describes, brought to its grid (nearest pixel) where its own differs.

    A file without georeference, and any of a scene without, is taken for the scene's own grid, the whole of it, if it
    has its size. Coordinates of a scene without a reference system are those of the mask's. Errors call it by its path,
    or by `name`. Of a file of several bands the `band` has to be given.

    Raises:
        InputError: more than one band, another place, or another size without georeference.
        FileError: the file is missing, empty, damaged or cut short.
    """
    name = name or ("mask" if os.fspath(path).startswith("/vsimem/") else shown(os.fspath(path)))
    if os.path.isdir(path):
        raise InputError(f"{name}: is a folder; a file of one band is accepted: give that in it, such as …_SCL_20m.jp2")
    dataset = open_raster(os.fspath(path))
    try:
        if band is None and dataset.count != 1:
            raise InputError(f"{name}: holds {dataset.count} bands; a mask of one band is accepted: pick it first")
        if info.crs is None and not info.transform.is_identity:
            info = replace(info, crs=dataset.crs)
        if dataset.crs is None or info.crs is None:
            whole = info.of_whole()
            if dataset.shape != (whole.height, whole.width):
                raise InputError(
                    f"{name}: has no place on the ground and {dataset.width} x {dataset.height} pixels, the scene "
                    f"{whole.width} x {whole.height}; georeference it, or give one of the scene's size"
                )
        else:
            check_georeference(dataset)
            check_overlap(name, dataset.crs, dataset.bounds, info, "the mask of the same area")
        return MaskRaster(dataset, name, info, band or 1)
    except BaseException:
        dataset.close()
        raise


@contextmanager
def mask_as_file(mask: Any, info: SceneInfo) -> Iterator[str]:  # noqa: ANN401 (NumPy's, xarray's, or what they take)
    """Give an array (y, x) as a file in memory for `open_mask`.

    One of NumPy lies on the scene's own grid, a DataArray where its coordinates place it, whatever the order of its
    dimensions.

    Raises:
        InputError: as `open_mask`; or its dimensions have other names.
    """
    crs, transform = None, None
    if hasattr(mask, "data_vars"):
        if len(mask.data_vars) != 1:
            names = ", ".join(map(str, mask.data_vars)) or "none"
            raise InputError(f"mask: is a Dataset with the variables {names}; give one of them, as dataset['SCL']")
        (mask,) = mask.data_vars.values()
    if hasattr(mask, "rio") or hasattr(mask, "coords"):
        import rioxarray  # noqa: F401 (gives arrays their `rio`; here, for files do without it)

        mask = _by_names(mask)
        if mask.ndim == 2 and all(dim in mask.coords for dim in mask.dims):
            placed = mask.rio.set_spatial_dims(x_dim=mask.dims[1], y_dim=mask.dims[0])
            crs, transform = placed.rio.crs or info.crs, placed.rio.transform(recalc=True)
    values = np.asarray(mask)
    if values.ndim == 0:
        raise InputError(f"mask: is {mask!r}; a path or an array (y, x) is accepted, and 'auto', or 'none' for none")
    if values.ndim != 2 or values.dtype.kind not in "biuf":
        raise InputError(
            f"mask: has the shape {values.shape} of {values.dtype}; two dimensions (y, x) of true and false, or of "
            "whole numbers, are accepted"
        )
    stored = values.astype(np.uint8) if values.dtype.kind == "b" else values
    if stored.dtype.itemsize > 4:
        stored = stored.astype(np.float64 if stored.dtype.kind == "f" else np.int32)
    with MemoryFile(ext=".tif") as memory:
        profile = {"driver": "GTiff", "height": values.shape[0], "width": values.shape[1], "count": 1}
        if crs is not None and transform is not None:
            profile |= {"crs": crs, "transform": transform}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with memory.open(**profile, dtype=stored.dtype.name) as file:
                file.write(stored, 1)
        yield memory.name


def _by_names(mask: Any) -> Any:  # noqa: ANN401 (xarray's, which need not be loaded)
    """Bring the dimensions of a DataArray into the order y, x by what they are called."""
    dims = [dimension(mask.dims, role) for role in ("y", "x")]
    mask = mask.squeeze([dim for dim in mask.dims if dim not in dims and mask.sizes[dim] == 1], drop=True)
    if set(mask.dims) == set(dims):
        return mask.transpose(*dims)
    if mask.dims == ("dim_0", "dim_1"):  # what xarray calls those of an array of NumPy
        return mask
    raise InputError(
        f"mask: has the dimensions {dict(mask.sizes)}; two dimensions (y, x), or lat and lon, latitude and "
        "longitude, are accepted; rename them with .rename()"
    )
