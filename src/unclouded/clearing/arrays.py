"""Scenes in memory: `xarray` objects in and out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.errors import CRSError

from unclouded.clearing.inputs import Raster, open_inputs
from unclouded.clearing.model import Model
from unclouded.clearing.options import ClearOptions
from unclouded.clearing.passes import Clearing
from unclouded.errors import InputError
from unclouded.files import QUALITY_BANDS
from unclouded.reading.encoding import USUAL_SCALE
from unclouded.reading.info import SceneInfo
from unclouded.reading.naming import assumed_bands, check_bands
from unclouded.reading.offsets import choose_level
from unclouded.reflectance import Encoding, to_reflectance
from unclouded.writing.strips import ClearedTile

LARGEST = 2**31
"""Bytes of reflectance up to which a scene is cleared into memory."""

_BRIGHTEST = 100.0
"""No reflectance is beyond it: such values are DN."""

_OF_DN = ("_FillValue", "missing_value", "scale_factor", "add_offset", "units", "valid_min", "valid_max", "valid_range")
"""Attributes that say how an array's values are to be understood, which is not how those of the result are."""


class ArrayScene:
    """A DataArray (band, y, x), read window by window, so that one on disk or in chunks is never loaded whole."""

    def __init__(
        self,
        array: xr.DataArray,
        bands: Sequence[str] | None = None,
        level: str | None = None,
        scale: float | None = None,
        offset: float | None = None,
    ) -> None:
        """Understand `array`; the other arguments are those of `open_scene`.

        Raises:
            InputError: if it has other dimensions, bands that are not known, or DN without a known offset.
        """
        name = str(array.name or "array")
        if array.ndim != 3 or not array.size:
            raise InputError(f"{name}: has the shape {dict(array.sizes)}; three dimensions (band, y, x) are accepted")
        if array.dtype.kind not in "iuf":
            raise InputError(f"{name}: is {array.dtype}; integer DN or floating-point reflectance are accepted")
        count, height, width = array.shape
        names, notes = _names(array, name, bands)
        known, more = choose_level(name, None, names, level)
        if array.dtype.kind in "iu" and offset is None:
            raise InputError(f"{name}: holds DN; give offset=-1000 (baseline 04.00 or later) or offset=0 (earlier)")
        usual = USUAL_SCALE if array.dtype.kind in "iu" else 1.0
        fill = array.attrs.get("_FillValue", array.encoding.get("_FillValue", 0 if array.dtype.kind in "iu" else None))
        crs, transform = _georeference(array)
        self._array = array
        self.unscaled = array.dtype.kind == "f" and scale is None
        self.info = SceneInfo(
            source=name,
            stem=name,
            width=width,
            height=height,
            crs=crs,
            transform=transform,
            bands=names,
            level=known,
            encoding=Encoding(scale or usual, (float(offset or 0),) * count, None if fill is None else float(fill)),
            dtype=array.dtype,
            descriptions=names,
            scales=(1.0,) * count,
            gdal_offsets=(0.0,) * count,
            tags={},
            notes=(*notes, *more),
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
        return {str(name): value for name, value in self._array.attrs.items() if name not in (*_OF_DN, "grid_mapping")}

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
            refuse_dn(window, self.info.source)
        return window


def refuse_dn(values: NDArray[Any], source: str) -> None:
    """Check that values may be reflectance.

    Raises:
        InputError: naming `source`, if they are too large.
    """
    if float(np.nanmax(values, initial=0)) > _BRIGHTEST:
        raise InputError(
            f"{source}: {values.dtype} values above {_BRIGHTEST:.0f} are not reflectance; "
            "give scale=10000 and the offset if they are DN"
        )


def coordinates(info: SceneInfo) -> Mapping[str, Any]:
    """Return the centres of a scene's pixels as coordinates `y` and `x`."""
    t = info.transform
    return {"y": t.f + (np.arange(info.height) + 0.5) * t.e, "x": t.c + (np.arange(info.width) + 0.5) * t.a}


def clear_to_memory(
    scene: Raster, model: Model, options: ClearOptions, at: Mapping[str, Any], attributes: Mapping[str, Any]
) -> xr.Dataset:
    """Clear a scene into memory.

    Args:
        scene: what to clear.
        model: with which weights.
        options: how.
        at: coordinates of the pixels.
        attributes: of the result, beside its level.

    Returns:
        See `dataset`.

    Raises:
        InputError: if the scene is nothing for these weights, the result is larger than `LARGEST`, or no pixel holds
            data.
        FileError: if a file cannot be read.
    """
    info = scene.info
    model.check(info)
    shape = len(info.bands), info.height, info.width
    if 4 * np.prod(shape, dtype=np.int64) > LARGEST:
        raise InputError(
            f"{info.source}: {info.width} x {info.height} x {len(info.bands)} does not fit into "
            f"{LARGEST // 2**30} GiB of memory; give `output` to write files instead"
        )
    layers = np.empty((shape[0] + len(QUALITY_BANDS), *shape[1:]), np.float32)
    with open_inputs(scene, options) as inputs:
        for tile in Clearing(inputs, model.generator, options).tiles():
            layers[(slice(None), *tile.box.slices)] = layers_of(tile, info)
    return dataset(layers, info, at, attributes)


def layers_of(tile: ClearedTile, info: SceneInfo) -> NDArray[np.float32]:
    """Reflectance, opacity and uncertainty of a tile, (C + 2, h, w), NaN where there is no data."""
    values, valid = to_reflectance(tile.dn, info.encoding)
    return np.concatenate([np.where(valid, values, np.float32(np.nan)), tile.quality])


def dataset(layers: Any, info: SceneInfo, at: Mapping[str, Any], attributes: Mapping[str, Any]) -> xr.Dataset:  # noqa: ANN401
    """Name the layers (C + 2, H, W) of a cleared scene, an array of NumPy or dask.

    Returns:
        `reflectance` (band, y, x), 1.0 = 100 %; `opacity` and `uncertainty` (y, x), all float32 and NaN where there
        is no data.
    """
    count = len(info.bands)
    cleared = xr.Dataset(
        {
            "reflectance": (("band", "y", "x"), layers[:count], {"units": "1"}),
            **{
                name: (("y", "x"), layers[count + position], {"units": "1"})
                for position, name in enumerate(QUALITY_BANDS)
            },
        },
        coords={**at, "band": list(info.bands)},
        attrs={**attributes, "level": info.level},
    )
    if info.crs is None:
        return cleared
    # The grid mapping of the CF conventions, with the transform where GDAL and rioxarray look for it.
    place = " ".join(repr(value) for value in info.transform.to_gdal())
    reference = xr.Variable((), 0, {"crs_wkt": info.crs.to_wkt(), "GeoTransform": place})
    for variable in cleared.data_vars.values():
        variable.encoding["grid_mapping"] = "spatial_ref"
    return cleared.assign_coords(spatial_ref=reference)


def _names(array: xr.DataArray, name: str, bands: Sequence[str] | None) -> tuple[tuple[str, ...], list[str]]:
    along = array.dims[0]
    said = [str(value) for value in array[along].values] if along in array.coords else []
    if bands is None and not all(text.isdecimal() for text in said):
        bands = said
    if bands is None:
        names = assumed_bands(name, array.shape[0])
        return names, [f"band order assumed: {' '.join(names)}; give bands if it is another"]
    names = check_bands(name, bands)
    if len(names) != array.shape[0]:
        raise InputError(f"{name}: {len(names)} band names for {array.shape[0]} bands; name each, in their order")
    return names, []


def _georeference(array: xr.DataArray) -> tuple[CRS | None, Affine]:
    """Coordinate reference system and transform, as rioxarray finds them: of the coordinates, or of what GDAL left."""
    import rioxarray  # noqa: F401 (gives arrays their `rio`; here, for files do without it and start the sooner)
    from pyproj.exceptions import CRSError as ProjectionError

    placed = array.rio.set_spatial_dims(x_dim=array.dims[2], y_dim=array.dims[1])
    try:
        return placed.rio.crs, placed.rio.transform(recalc=True)
    except (CRSError, ProjectionError) as error:
        said = " ".join(str(error).split())
        raise InputError(f"{array.name or 'array'}: its crs_wkt cannot be read ({said}); correct or drop it") from error
