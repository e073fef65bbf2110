"""Remove clouds and their shadows from Sentinel-2 images, with opacity, uncertainty and source of every pixel.

`clear` clears a scene, `clear_series` all dates of a place, `clear_area` those of a catalogue; `load_model` loads the
network, and `frechet_distance` compares two sets of features. Importing the package loads neither torch nor GDAL.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, nullcontext
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from unclouded.errors import (
    FileError,
    InputError,
    MissingExtraError,
    NetworkError,
    OutputExistsError,
    SettingsError,
    UncloudedError,
    WeightsError,
)
from unclouded.version import __version__

if TYPE_CHECKING:
    import xarray
    from numpy.typing import ArrayLike, NDArray
    from torch import nn

    from unclouded.clearing.clear import ClearedScene
    from unclouded.reading.scene import Scene

__all__ = [
    "FileError",
    "InputError",
    "MissingExtraError",
    "NetworkError",
    "OutputExistsError",
    "SettingsError",
    "UncloudedError",
    "WeightsError",
    "__version__",
    "clear",
    "clear_area",
    "clear_series",
    "frechet_distance",
    "load_model",
]


def clear(
    source: str | os.PathLike[str] | xarray.DataArray | xarray.Dataset | NDArray[Any],
    output: str | os.PathLike[str] | None = None,
    *,
    model: str | os.PathLike[str] = "default",
    bands: str | Sequence[str] | None = None,
    band_names: str | Sequence[str] | None = None,
    variant: str | None = None,
    level: str | None = None,
    scale: float | None = None,
    offset: float | None = None,
    radar: str | os.PathLike[str] | None = None,
    references: str
    | os.PathLike[str]
    | xarray.DataArray
    | xarray.Dataset
    | Sequence[str | os.PathLike[str] | xarray.DataArray | xarray.Dataset | NDArray[Any]] = (),
    mask: str | os.PathLike[str] | xarray.DataArray | NDArray[Any] = "auto",
    mask_classes: str | None = None,
    mask_only: bool = False,
    write_mask: bool = False,
    samples: int = 1,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    threshold: float | None = None,
    crs: str | None = None,
    resolution: float | None = None,
    overwrite: bool = False,
) -> xarray.Dataset | ClearedScene:
    """Clear a Sentinel-2 scene.

    Assumptions about the scene are issued as `UserWarning`; so are notes on references, without `output`.

    Args:
        source: a path or address of a scene, or integer DN or reflectance as an `xarray.DataArray` with the dimensions
            band, y and x (or lat and lon), an `xarray.Dataset` with a variable per band, or a NumPy array (band, y, x).
        output: a GeoTIFF to write; opacity, uncertainty and source are written to `<stem>_quality.tif` beside it.
        model: name of bundled weights, or path of others.
        bands: those to take, as a list or "B02,B03", all unless given; for a source without names it may name all its
            bands in order.
        band_names: name of each band, in order, of a source without names, "-" for one that is none of the 13.
        variant: "FRE" or "SRE", of a folder that holds both of MAJA's kinds of reflectance; FRE unless given.
        level: "L1C" or "L2A", where the source does not say.
        scale: DN per 1.0 reflectance, if it is not 10000.
        offset: DN to add before dividing: -1000 from processing baseline 04.00 on.
        radar: VV and VH in dB, of the same area.
        references: other dates of the place, or a single one, before or after, as paths or arrays, in any form and on
            any grid that is read; their ground is transferred to where the scene is covered. The date of an array is
            its coordinate `time` or its attribute `datetime`; an array is loaded, and one without band names or without
            coordinates has those of the scene.
        mask: where the scene is covered and replaced wholly: a path, an `xarray.DataArray` (y, x) on any grid, or a
            NumPy array (y, x) on the scene's own; true and false, the classes of OmniCloudMask (0 clear, 1 thick cloud,
            2 thin cloud, 3 shadow), SCL, QA60, or HLS' Fmask. "auto" joins the scene classification (SCL) of a product,
            STAC item or array with the detected cover, near which it counts; "none" uses no classification.
        mask_classes: classes of the values of `mask`, where they are not known: "boolean", "scl", "qa60",
            "omnicloudmask", "hls", or others as "0=clear,1=cloud,2=thin,3=shadow,255=nodata".
        mask_only: replace only what `mask` covers, without detection; with "auto", what SCL covers.
        write_mask: with `output`, write the mask of cloud, haze and shadow to `<stem>_mask.tif` too.
        samples: latent samples; with more than one the result is their mean.
        seed: of the latent samples.
        device: "auto", "cpu" or "cuda".
        precision: "fp32", "bf16", or "auto" for the fastest on the device.
        threshold: opacity below which pixels are kept; that of the weights unless given.
        crs: with `output`, coordinate reference system to which the result is reprojected, as "EPSG:3035".
        resolution: with `output`, pixel size of the result, in units of its coordinate reference system.
        overwrite: replace existing outputs.

    Returns:
        Without `output` a Dataset of float32: `reflectance` (band, y, x), 1.0 = 100 %, `opacity` (y, x), 0 to 1,
        `uncertainty` (y, x) in reflectance, and `source` (y, x): 0 observed, 1 guessed in at least one band, 2 the
        first reference, 3 the second; NaN where there is no data. Its attribute `detection` describes the detection of
        cloud and shadow. For an array in dask chunks it is lazy. With `output` a `ClearedScene`, of what was written.

    Raises:
        InputError: if the source is not a scene that can be understood, or does not fit the weights or the memory; if
            clouds cannot be detected in its bands, or the mask does not fit it.
        FileError: if a file cannot be read or written.
        WeightsError: if the weights are damaged or of another network.
        OutputExistsError: if an output exists and `overwrite` is not set.
    """
    from unclouded.clearing.clear import clear_to_file
    from unclouded.clearing.memory.arrays import clear_to_memory, named_references
    from unclouded.clearing.memory.lazy import clear_lazily
    from unclouded.clearing.model import Model, caveats
    from unclouded.clearing.options import ClearOptions
    from unclouded.clearing.plan import check_output_name, cleared_and_mask, cleared_files, refuse_collisions
    from unclouded.reading.grids.array_grid import pixel_centres
    from unclouded.reading.mask import mask_as_file
    from unclouded.reading.names.band_names import band_list
    from unclouded.reading.products.array import ArrayScene
    from unclouded.reading.reader import ReadOptions
    from unclouded.reading.results import refuse_result

    mask_path = os.fspath(mask) if isinstance(mask, str | os.PathLike) else None
    bands, band_names = band_list(bands), band_list(band_names)
    options = ClearOptions(
        model=os.fspath(model),
        radar=None if radar is None else os.fspath(radar),
        mask="mask" if mask_path is None else mask_path,
        mask_classes=mask_classes,
        mask_only=mask_only,
        write_mask=write_mask,
        samples=samples,
        seed=seed,
        device=device,
        precision=precision,
        threshold=threshold,
        crs=crs,
        resolution=resolution,
        overwrite=overwrite,
    )
    with ExitStack() as stack:
        scene: Scene | ArrayScene
        if not isinstance(source, str | os.PathLike):
            scene = ArrayScene(source, bands, level, scale, offset, band_names=band_names)
            coords, attributes = scene.coordinates, scene.attributes
        else:
            reading = ReadOptions(bands, level, scale, offset, band_names=band_names, variant=variant)
            refuse_result(os.fspath(source))
            scene = stack.enter_context(reading.open(os.fspath(source)))
            coords, attributes = pixel_centres(scene.info), {}
        for note in scene.info.notes:
            warnings.warn(f"{scene.info.source}: {note}", stacklevel=2)
        lazy = output is None and isinstance(scene, ArrayScene) and scene.chunks is not None
        if lazy and (not isinstance(references, Sequence) or references):
            raise InputError(
                f"{scene.info.source}: is in chunks, which take no references; give `output`, or compute it"
            )
        if mask_path is None:
            if lazy:
                raise InputError(f"{scene.info.source}: is in chunks; give a mask for it as a file, by its path")
            options = replace(options, mask=stack.enter_context(mask_as_file(mask, scene.info)))
        names, opener = named_references(references, scene.info)
        options = replace(options, references=names)
        loaded = Model.load(options)
        for caveat in caveats(loaded.generator, scene.info.level):
            warnings.warn(f"{scene.info.source}: {caveat}", stacklevel=2)
        if output is None and (crs is not None or resolution is not None):
            raise InputError(f"{scene.info.source}: is cleared on its own grid; give `output`, or .rio.reproject it")
        if output is None:
            if isinstance(scene, ArrayScene) and lazy:
                return clear_lazily(scene, loaded, options, coords, attributes)
            return clear_to_memory(scene, loaded, options, coords, attributes, opener)
        check_output_name(name := Path(output))
        if isinstance(source, str | os.PathLike):
            written = cleared_and_mask if write_mask else cleared_files
            refuse_collisions({os.fspath(source): name}, written, options.read_beside)
        return clear_to_file(scene, name, loaded, options, opener=opener)


def clear_series(
    source: xarray.DataArray | xarray.Dataset | str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    only_earlier: bool = False,
    max_references: int = 4,
    model: str | os.PathLike[str] = "default",
    bands: str | Sequence[str] | None = None,
    band_names: str | Sequence[str] | None = None,
    variant: str | None = None,
    level: str | None = None,
    scale: float | None = None,
    offset: float | None = None,
    mask: xarray.DataArray | NDArray[Any] | Sequence[Any] | None = None,
    mask_classes: str | None = None,
    mask_only: bool = False,
    samples: int = 1,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    threshold: float | None = None,
) -> xarray.Dataset:
    """Clear all dates of a place, each with the nearest others, before and after, as references.

    Assumptions about the dates are issued as `UserWarning`, and so are dates without any data, which remain without.
    An array in dask chunks is loaded date by date.

    Args:
        source: an `xarray.DataArray` with the dimensions time, band, y and x, an `xarray.Dataset` with a variable
            (time, y, x) per band, the path of a NetCDF file or Zarr store of such, or paths of scenes on one grid.
        only_earlier: use only earlier dates as references, as in near-real time.
        max_references: references of each date, at most.
        model: as of `clear`, like all that follow.
        bands: those to take.
        band_names: name of each band where the source names none.
        variant: of MAJA's folders.
        level: "L1C" or "L2A".
        scale: DN per 1.0 reflectance.
        offset: DN to add before dividing.
        mask: one for each date as of `clear`, along the first axis (a DataArray: by its times, if it has some) or in a
            sequence with None where there is none, which means "auto". Cover in the references is always detected.
        mask_classes: classes of the values of the masks.
        mask_only: replace only what a date's mask covers, without detection.
        samples: latent samples.
        seed: of the latent samples.
        device: "auto", "cpu" or "cuda".
        precision: "fp32", "bf16" or "auto".
        threshold: opacity below which pixels are kept.

    Returns:
        A Dataset of float32: `reflectance` (time, band, y, x), `opacity`, `uncertainty` and `source` (time, y, x), as
        of `clear`; and `reference_time` (time, reference), the dates of the numbers from 2 on in `source`.

    Raises:
        InputError: if the dates cannot be read, are fewer than two, differ in grid, bands or level, or do not fit the
            weights or the memory.
        FileError: if a file cannot be read.
        WeightsError: if the weights are damaged or of another network.
    """
    from unclouded.clearing.memory.series_arrays import clear_series_to_memory, series_of
    from unclouded.clearing.model import Model
    from unclouded.clearing.options import ClearOptions, ReferenceLimits
    from unclouded.reading.names.band_names import band_list
    from unclouded.reading.reader import ReadOptions

    bands, band_names = band_list(bands), band_list(band_names)
    options = ClearOptions(
        model=os.fspath(model),
        mask="auto" if mask is None else "mask",
        mask_classes=mask_classes,
        mask_only=mask_only,
        samples=samples,
        seed=seed,
        device=device,
        precision=precision,
        threshold=threshold,
    )
    limits = ReferenceLimits.checked(only_earlier, max_references)
    reading = ReadOptions(bands, level, scale, offset, band_names=band_names, variant=variant)
    series = series_of(source, reading, max_references)
    loaded = Model.load(options)
    return clear_series_to_memory(series, loaded, options, limits, mask)


def clear_area(
    area: str | os.PathLike[str] | Sequence[float] | Mapping[str, Any],
    dates: str,
    *,
    catalog: str = "earth-search",
    collection: str = "sentinel-2-l2a",
    max_cloud: float = 80.0,
    max_items: int = 1000,
    cache: str | os.PathLike[str] | None = None,
    only_earlier: bool = False,
    max_references: int = 4,
    model: str | os.PathLike[str] = "default",
    bands: str | Sequence[str] | None = None,
    level: str | None = None,
    scale: float | None = None,
    offset: float | None = None,
    samples: int = 1,
    seed: int = 0,
    device: str = "auto",
    precision: str = "auto",
    threshold: float | None = None,
) -> xarray.Dataset:
    """Search a catalogue for all dates of an area, read the area alone, and clear each with the others as references.

    What was left out or assumed is issued as `UserWarning`.

    Args:
        area: west, south, east and north in degrees, also as a text "W,S,E,N"; the path of a GeoJSON file; polygons in
            degrees as GeoJSON or with a `__geo_interface__`, as of shapely; or a table of geopandas in its own system.
        dates: first and last day, as "2024-05-01/2024-08-31".
        catalog: "earth-search", "planetary-computer", "cdse", or the URL of a STAC API.
        collection: of the catalogue.
        max_cloud: cloud cover of the dates, at most, in percent by the catalogue.
        max_items: items of the catalogue, at most.
        cache: folder in which the data read are kept for other calls; else they are deleted with the call.
        only_earlier: as of `clear_series`, like all that follow.
        max_references: other dates that help to clear one, at most.
        model: name of bundled weights, or path of others.
        bands: those to take; they and those that the detector needs are read.
        level: "L1C" or "L2A", where the items do not say.
        scale: DN per 1.0 reflectance.
        offset: DN to add before dividing.
        samples: latent samples.
        seed: of the latent samples.
        device: "auto", "cpu" or "cuda".
        precision: "fp32", "bf16" or "auto".
        threshold: opacity below which pixels are kept.

    Returns:
        As of `clear_series`, in the grid of the tiles, with the coordinate `item` (time), the item of each date.

    Raises:
        InputError: if the area is invalid; if fewer than two dates or more than `max_items` items are found; if the
            catalogue is no STAC API; or as of `clear_series`.
        FileError: if a file cannot be read or cached.
        NetworkError: if the catalogue or its files cannot be reached; with a `cache` the same call resumes.
        MissingExtraError: if the extra `catalog`, or for that catalogue `planetary-computer`, is not installed.
    """
    from unclouded.catalog.period import period_of
    from unclouded.catalog.presets import catalogue_named
    from unclouded.catalog.search import Request
    from unclouded.clearing.memory.area_series import clear_area_to_memory
    from unclouded.clearing.model import Model
    from unclouded.clearing.options import ClearOptions, ReferenceLimits
    from unclouded.reading.grids.geojson import area_of
    from unclouded.reading.names.band_names import band_list
    from unclouded.reading.reader import ReadOptions

    wanted = area_of(area)
    request = Request(catalogue_named(catalog), collection, wanted, period_of(dates), max_items)
    reading = ReadOptions(band_list(bands), level, scale, offset, area=wanted)
    options = ClearOptions(
        model=os.fspath(model), samples=samples, seed=seed, device=device, precision=precision, threshold=threshold
    )
    limits = ReferenceLimits.checked(only_earlier, max_references)
    loaded = Model.load(options)
    with TemporaryDirectory() if cache is None else nullcontext(cache) as kept:
        return clear_area_to_memory(request, max_cloud, Path(kept), reading, loaded, options, limits)


def load_model(name: str | Path = "default") -> nn.Module:
    """Load the generator of bundled weights by name, or of others by path, in evaluation mode on the CPU.

    It is a `unclouded.models.generator.Generator`. `model(image, bands=["B02", "B03", "B04", "B08"], level="L2A")`
    takes images of reflectance (B, C, H, W), NaN where there is no data; 13 or 12 bands in the usual order need no
    names. It returns a `Translation` with `ground` (B, C, H, W) and `opacity` (B, 1, H, W), composed by
    `image.lerp(result.ground, result.opacity)`. This is the network alone, which takes each image for a whole scene:
    `unclouded.clear` uses a cloud detector besides, and tiles large scenes without seams.

    Raises:
        FileError: if there are no such weights.
        WeightsError: if they are damaged or of another network.
    """
    from unclouded.models.weights import load_generator

    return load_generator(name)[0]


def frechet_distance(a: ArrayLike, b: ArrayLike) -> float:
    """Fréchet distance between two sets of features (N, d) and (M, d), see `unclouded.evaluation.frechet`.

    Raises:
        InputError: features are not finite, of different width, or fewer than two.
    """
    from unclouded.evaluation.frechet import frechet_distance as distance

    return distance(a, b)
