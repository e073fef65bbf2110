"""Cleared scenes in memory, as `xarray` objects."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from unclouded.bands import ASSUMED_ORDER
from unclouded.clearing.context.cover import describe_detection
from unclouded.clearing.inputs import ReferenceOpener, open_inputs
from unclouded.clearing.model import Model
from unclouded.clearing.options import ClearOptions
from unclouded.clearing.passes import Clearing
from unclouded.errors import InputError, UnknownRadiometryError
from unclouded.files import QUALITY_BANDS
from unclouded.precision import torch_as_usual
from unclouded.reading.grids.array_grid import grid_mapping
from unclouded.reading.info import Raster, SceneInfo
from unclouded.reading.products.array import ArrayScene
from unclouded.reading.radiometry.fallback import FallbackRadiometry
from unclouded.reflectance import scaled
from unclouded.writing.strips import ClearedTile

_OF_REFERENCE = (
    "of a reference that is not as the scene is, it has to say it itself, in its attributes scale_factor and add_offset"
)

LARGEST = 2**31
"""Bytes of reflectance up to which a scene is cleared into memory."""


def clear_to_memory(
    scene: Raster,
    model: Model,
    options: ClearOptions,
    coords: Mapping[str, Any],
    attributes: Mapping[str, Any],
    opener: ReferenceOpener | None = None,
) -> xr.Dataset:
    """Clear a scene into memory.

    Args:
        scene: what to clear.
        model: with which weights.
        options: see `ClearOptions`.
        coords: of the pixels, by dimension.
        attributes: of the result, beside its level.
        opener: what is known already of the references that the options name.

    Returns:
        See `dataset`.

    Raises:
        InputError: if the scene does not suit these weights, the result is larger than `LARGEST`, or no pixel holds
            data.
        FileError: if a file cannot be read.
    """
    info = scene.info.of_region()
    model.check(scene.info)
    shape = len(info.bands), info.height, info.width
    if 4 * np.prod(shape, dtype=np.int64) > LARGEST:
        raise InputError(
            f"{info.source}: {info.width} x {info.height} x {len(info.bands)} does not fit into "
            f"{LARGEST // 2**30} GiB of memory; give `output` to write files instead"
        )
    layers = np.empty((shape[0] + len(QUALITY_BANDS), *shape[1:]), np.float32)
    detection, notes = clear_into(layers, scene, model, options, opener)
    for note in notes:
        warnings.warn(note, stacklevel=3)
    return dataset(layers, info, coords, {**attributes, "detection": detection})


@torch_as_usual()
def clear_into(
    layers: NDArray[np.float32],
    scene: Raster,
    model: Model,
    options: ClearOptions,
    opener: ReferenceOpener | None = None,
) -> tuple[str, tuple[str, ...]]:
    """Clear a scene into an array (C + 3, H, W), see `layers_of`; errors as of `clear_to_memory`.

    Returns:
        What the detection is based on, and the notes on the references.
    """
    model.check(scene.info)
    with open_inputs(scene, options, opener) as inputs:
        clearing = Clearing(inputs, model.generator, options)
        for tile in clearing.tiles():
            layers[(slice(None), *tile.box.slices)] = layers_of(tile, scene.info)
        return describe_detection(inputs, model.generator, options), clearing.notes


def named_references(
    references: Any,  # noqa: ANN401 (whatever a user hands in)
    scene: SceneInfo,
) -> tuple[tuple[str, ...], ReferenceOpener]:
    """Names for references that are paths or arrays, and the arrays, open.

    Raises:
        InputError: if an array is not understood, or nothing tells its place in the scene.
    """
    names: list[str] = []
    images: dict[str, Raster] = {}
    alone = isinstance(references, str | os.PathLike | xr.DataArray | xr.Dataset)
    if not alone and not isinstance(references, Iterable):
        raise InputError(
            f"references {references!r}: a path or an array is accepted, or a list of such, empty for none"
        )
    for number, reference in enumerate([references] if alone else references, start=1):
        if isinstance(reference, str | os.PathLike):
            names.append(os.fspath(reference))
        else:
            names.append(f"reference {number}")
            images[names[-1]] = _array_alike(reference, names[-1], scene)
    return tuple(names), ReferenceOpener(images)


def _array_alike(source: Any, name: str, scene: SceneInfo) -> ArrayScene:  # noqa: ANN401 (whatever a user hands in)
    """Understand another date of the place of a scene; what does not say what it is is taken for one like the scene."""
    if hasattr(source, "compute"):
        source = source.compute()  # what is in chunks: it is looked at more than once
    opened = partial(ArrayScene, source, name=name, fallback=FallbackRadiometry.of(scene))
    usual = scene.bands == ASSUMED_ORDER.get(len(scene.bands))
    try:
        try:
            found = opened()
        except UnknownRadiometryError:
            raise
        except InputError:
            if usual:
                raise  # the pixels contradict the order, or it is what no names mend
            found = None
        # Without names its bands are those of the scene.
        if found is None or (found.order_assumed and not usual and len(found.info.bands) == len(scene.bands)):
            found = opened(scene.bands)
    except UnknownRadiometryError as error:
        raise UnknownRadiometryError(f"{error}; {_OF_REFERENCE}") from error
    return _placed_with(found, scene)


def _placed_with(opened: ArrayScene, scene: SceneInfo) -> ArrayScene:
    """Take coordinates without a reference system for those of the scene."""
    info = opened.info
    if info.crs is None and not info.transform.is_identity and not scene.transform.is_identity:
        if scene.crs is None and not info.transform.almost_equals(scene.transform):
            raise InputError(
                f"{info.source}: its coordinates are not those of {scene.source}, and no coordinate reference system "
                "tells how they lie to each other; write it to both, for example with .rio.write_crs()"
            )
        opened.info = replace(info, crs=scene.crs)
    return opened


def layers_of(tile: ClearedTile, info: SceneInfo) -> NDArray[np.float32]:
    """Reflectance, opacity, uncertainty and source of a tile, (C + 3, h, w), NaN where there is no data."""
    # Which pixels are data is known of the input: a result may look as if it were none.
    values = np.where(np.isnan(tile.quality[0]), np.float32(np.nan), scaled(tile.dn, info.encoding))
    return np.concatenate([values, tile.quality])


def dataset(layers: Any, info: SceneInfo, coords: Mapping[str, Any], attributes: Mapping[str, Any]) -> xr.Dataset:  # noqa: ANN401
    """Name the layers (C + 3, H, W) of a cleared scene, an array of NumPy or dask.

    Returns:
        `reflectance` (band, y, x), 1.0 = 100 %; `opacity`, `uncertainty` and `source` (y, x), all float32 and NaN where
        there is no data.
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
        coords={**coords, "band": list(info.bands)},
        attrs={**attributes, "level": info.level},
    )
    if info.crs is None:
        return cleared
    for variable in cleared.data_vars.values():
        variable.encoding["grid_mapping"] = "spatial_ref"
    return cleared.assign_coords(spatial_ref=grid_mapping(info))
