"""Windowed reading of Sentinel-2 scenes: GeoTIFF/COG, band folders, BigEarthNet patches, SAFE products, STAC items.

`open_scene` detects the kind of source and opens it as a `scene.Scene`, whose `SceneInfo` has what is known and what
was assumed about the DN.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, partial

import numpy as np
from rasterio.io import DatasetReader

from unclouded.errors import (
    FileError,
    InputError,
    UncloudedError,
    UnknownLevelError,
    UnknownOffsetError,
    UnknownRadiometryError,
)
from unclouded.reading.crop import CroppedScene
from unclouded.reading.files.georeference import check_georeference
from unclouded.reading.files.pixels import is_masked, sample_layers
from unclouded.reading.files.raster import is_remote, open_raster, shown
from unclouded.reading.find_source import find_source
from unclouded.reading.grids.area import Area
from unclouded.reading.grids.grid import check_grids, pixel_metres, pixel_note
from unclouded.reading.info import SceneInfo
from unclouded.reading.names.dates import acquired, parse_time
from unclouded.reading.names.missions import refuse_others
from unclouded.reading.names.naming import unnamed
from unclouded.reading.radiometry.band_order import check_order, refuse_numbered
from unclouded.reading.radiometry.declared import declared_by
from unclouded.reading.radiometry.encoding import check_scale_and_offset, choose_encoding
from unclouded.reading.radiometry.fallback import FallbackRadiometry
from unclouded.reading.radiometry.levels import choose_level, without_cirrus
from unclouded.reading.radiometry.plausibility import Sample, darkest, data_of
from unclouded.reading.radiometry.series_radiometry import (
    OFFSET_FROM_OTHER_DATES,
    days_without_offset,
    implies_no_offset,
    level_from_other_dates,
)
from unclouded.reading.scene import Scene
from unclouded.reading.source import Source, Wanted, cube_and_date
from unclouded.reflectance import Encoding


def open_scene(
    path: str | os.PathLike[str],
    *,
    bands: Sequence[str] | None = None,
    level: str | None = None,
    scale: float | None = None,
    offset: float | None = None,
    band_names: Sequence[str] | None = None,
    variant: str | None = None,
    level_needed: bool = True,
    fallback: FallbackRadiometry | None = None,
) -> Scene:
    """Open a Sentinel-2 scene for windowed reading.

    Args:
        path: a stacked GeoTIFF or COG, a folder of single-band files, a BigEarthNet patch folder, a SAFE product
            (folder or .zip), a STAC item (.json), a NetCDF file or a Zarr store, of whose dates "PATH@DATE" names one;
            files and items may be addresses.
        bands: to read; default all. For a stack without names it may name all its layers instead of `band_names`.
        level: "L1C" or "L2A", if unknown from the source.
        scale: DN per 1.0 reflectance, if unknown from the source and not 10000.
        offset: DN to add before dividing, whatever the source says.
        band_names: name of each layer of a stack in its order, "-" for one that is none of the 13.
        variant: "FRE" or "SRE", of a folder that holds both of MAJA's kinds of reflectance.
        level_needed: whether an unknown level is an error; else it is "L2A", for uses that do not depend on it.
        fallback: radiometry of another image of the place, for unknown values if the pixels are consistent with it.

    Raises:
        InputError: it is no scene, or ambiguous.
        FileError: a file is missing, empty, damaged or cut short.
    """
    name = os.fspath(path)
    check_scale_and_offset(name, scale, offset)
    wanted = Wanted(bands, band_names, variant, offset is not None)
    if cube_and_date(name) is not None and not is_remote(name):
        from unclouded.reading.products.cube import open_cube  # which needs xarray

        return open_cube(name, wanted, level, scale, offset, level_needed=level_needed, fallback=fallback)
    source = _found(name, wanted, by_pixels=fallback is not None)
    if not source.order_assumed:
        source = without_cirrus(source, level)
    datasets: dict[str, DatasetReader] = {}
    try:
        _open_files(source, datasets)
        finest = check_grids(source.name, list(datasets.values()))
        refuse_others(source.name, (), finest.tags())
        source, sample = _with_checked_bands(source, datasets, finest, level, named=band_names is not None)
        declared, dtype = declared_by(source, datasets)
        encoding, notes = choose_encoding(source.name, source.bands, dtype, declared, sample, scale, offset, fallback)
        available = source.others.union(source.bands)
        lows = cache(lambda: darkest(source.bands, data_of(sample(), encoding)))
        chosen, level_notes = choose_level(
            source.name, source.level, available, level, lows, fallback, needed=level_needed
        )
        if any(is_masked(datasets[layer.path], layer.index) for layer in source.layers):
            notes.append("pixels that its mask or alpha channel hides are no data")
        info = _describe(source, finest, datasets, chosen, encoding, dtype, level_notes + notes)
        reading = ReadOptions(None, chosen, scale, offset, band_names=band_names, variant=variant)
        again = partial(_open_again, name, reading, by_order=source.order_assumed)
        return Scene(info, source, datasets, again)
    except BaseException:
        for dataset in datasets.values():
            dataset.close()
        raise


def _found(path: str, wanted: Wanted, *, by_pixels: bool) -> Source:
    """The source at `path`; with `by_pixels` an offset unknown from name and metadata is left to the pixels."""
    try:
        try:
            return find_source(path, wanted)
        except UnknownRadiometryError:
            if not by_pixels:
                raise
        return find_source(path, replace(wanted, offset_given=True))
    except UncloudedError:
        raise
    except OSError as error:
        raise FileError(f"{path}: cannot be read: {error.strerror or error}; check its permissions") from error


def _open_files(source: Source, datasets: dict[str, DatasetReader]) -> None:
    """Open the files of a source's layers into `datasets`, by path, also those before a failure.

    Raises:
        InputError: one is nowhere on the Earth, or holds other bands than it should.
        FileError: one cannot be read.
    """
    for layer in source.layers:
        if layer.path in datasets:
            continue
        datasets[layer.path] = open_raster(layer.path)
        check_georeference(datasets[layer.path])
        count = datasets[layer.path].count
        if not source.own_metadata and count != 1:
            raise InputError(f"{shown(layer.path)}: holds {count} bands, not {layer.band} alone; give it by itself")


def _with_checked_bands(
    source: Source, datasets: dict[str, DatasetReader], finest: DatasetReader, level: str | None, *, named: bool
) -> tuple[Source, Sample]:
    """Check the bands of a source by its pixels, unless they are `named` by the user, and leave out those not taken.

    Raises:
        InputError: the pixels do not fit the bands.
    """
    sample = cache(lambda: sample_layers(source.layers, datasets))
    if source.order_assumed:
        check_order(source.name, sample())
        source = without_cirrus(source, level)
        source = source if source.taken is None else source.only(source.taken)
        sample.cache_clear()
    elif not named:
        metres = pixel_metres(finest.crs, finest.transform, finest.height, finest.width)
        refuse_numbered(source.name, source.bands, source.others, sample, metres)
    return source, sample


def _open_again(
    path: str, reading: ReadOptions, bands: Sequence[str], grid: SceneInfo, *, by_order: bool
) -> Scene | None:
    """Open a source for other bands, on the grid of a scene of it, see `Scene.with_bands`."""
    try:
        named = find_source(path, reading.wanted)
    except InputError:
        return None  # it was opened with other band names
    if (named.order_assumed and not by_order) or not set(bands) <= set(named.bands):
        return None
    scene = replace(reading, bands=bands).open(path)
    scene.bring_to(grid)
    return scene


def _describe(
    source: Source,
    finest: DatasetReader,
    datasets: dict[str, DatasetReader],
    level: str,
    encoding: Encoding,
    dtype: np.dtype[np.generic],
    notes: list[str],
) -> SceneInfo:
    descriptions: list[str | None] = list(source.bands)
    scales, gdal_offsets = [1.0 / encoding.scale] * len(source.layers), [o / encoding.scale for o in encoding.offsets]
    tags: dict[str, str] = {}
    if source.own_metadata:
        layers = [(datasets[layer.path], layer.index - 1) for layer in source.layers]
        texts = [file.descriptions[n] for file, n in layers]
        descriptions = [
            band if unnamed(texts) else text or band for band, text in zip(source.bands, texts, strict=True)
        ]
        scales, gdal_offsets = [file.scales[n] for file, n in layers], [file.offsets[n] for file, n in layers]
        tags = dict(finest.tags())
    return SceneInfo(
        source=source.name,
        stem=source.stem,
        width=finest.width,
        height=finest.height,
        crs=finest.crs,
        transform=finest.transform,
        bands=source.bands,
        level=level,
        encoding=encoding,
        dtype=dtype,
        descriptions=tuple(descriptions),
        scales=tuple(scales),
        gdal_offsets=tuple(gdal_offsets),
        tags=tags,
        notes=(*source.notes, *notes, *pixel_note(finest)),
        acquired=parse_time(source.acquired),
        classification=source.classification,
        classification_band=source.classification_band,
    )


@dataclass(frozen=True)
class ReadOptions:
    """How inputs are read: the arguments of `open_scene`, an area, and what other dates of the place give.

    Attributes:
        levels: of sources of unknown level, as of other dates of the place.
        offsets: likewise, DN to add to theirs.
        fallback: see `open_scene`.
    """

    bands: Sequence[str] | None = None
    level: str | None = None
    scale: float | None = None
    offset: float | None = None
    level_needed: bool = True
    area: Area | None = None
    band_names: Sequence[str] | None = None
    variant: str | None = None
    levels: Mapping[str, str] = field(default_factory=dict, hash=False)
    offsets: Mapping[str, float] = field(default_factory=dict, hash=False)
    fallback: FallbackRadiometry | None = None

    @property
    def wanted(self) -> Wanted:
        """Selection and naming of the bands."""
        return Wanted(self.bands, self.band_names, self.variant, self.offset is not None)

    def open(self, source: str) -> Scene:
        """Open a scene, or the crop of it that holds the area; errors as of `open_scene` and `Area.crop`."""
        scene = open_scene(
            source,
            bands=self.bands,
            level=self.levels.get(source, self.level),
            scale=self.scale,
            offset=self.offsets.get(source, self.offset),
            band_names=self.band_names,
            variant=self.variant,
            level_needed=self.level_needed,
            fallback=self.fallback,
        )
        notes = [OFFSET_FROM_OTHER_DATES] if source in self.offsets else []
        notes += [level_from_other_dates(self.levels[source])] if source in self.levels else []
        scene.info = replace(scene.info, notes=(*scene.info.notes, *notes))
        if self.area is None:
            return scene
        try:
            return CroppedScene(scene, self.area)
        except BaseException:
            scene.close()
            raise

    def completed_by_other_dates(self, sources: Sequence[str]) -> ReadOptions:
        """For dates of one place: unknown levels and offsets of cloudy ones as of the others, if these agree.

        Other errors are raised when a source is opened.
        """
        found, failed = self._describe_all(sources)
        days = days_without_offset(found.values())
        without = [source for source, error in failed.items() if isinstance(error, UnknownOffsetError)]
        at_zero, _ = replace(self, offset=0.0, level_needed=False)._describe_all(without if days else [])
        completed = replace(
            self, offsets={source: 0.0 for source, info in at_zero.items() if implies_no_offset(days, acquired(info))}
        )
        _, failed = completed._describe_all(list(failed))
        levels = {info.level for info in found.values()}
        unknown = [source for source, error in failed.items() if isinstance(error, UnknownLevelError)]
        return replace(completed, levels=dict.fromkeys(unknown, levels.pop())) if len(levels) == 1 else completed

    def _describe_all(self, sources: Sequence[str]) -> tuple[dict[str, SceneInfo], dict[str, UncloudedError]]:
        """Descriptions of the sources that can be opened, and errors of the others."""
        found, failed = dict[str, SceneInfo](), dict[str, UncloudedError]()
        for source in sources:
            try:
                with self.open(source) as scene:
                    found[source] = scene.info
            except UncloudedError as error:
                failed[source] = error
        return found, failed
