"""Cleared scenes in memory, as `xarray` objects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from unclouded.clearing.inputs import Raster, open_inputs
from unclouded.clearing.model import Model
from unclouded.clearing.options import ClearOptions
from unclouded.clearing.passes import Clearing
from unclouded.errors import InputError
from unclouded.files import QUALITY_BANDS
from unclouded.reading.info import SceneInfo
from unclouded.reflectance import scaled
from unclouded.writing.strips import ClearedTile

LARGEST = 2**31
"""Bytes of reflectance up to which a scene is cleared into memory."""


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
    info = scene.info.of_part()
    model.check(scene.info)
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
    """Reflectance, opacity, uncertainty and source of a tile, (C + 3, h, w), NaN where there is no data."""
    # Which pixels are data is known of the input: a result may look as if it were none.
    values = np.where(np.isnan(tile.quality[0]), np.float32(np.nan), scaled(tile.dn, info.encoding))
    return np.concatenate([values, tile.quality])


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
