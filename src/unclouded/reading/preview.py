"""Small images of a cleared scene before and after, with its quality and metadata."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray
from rasterio.transform import Affine

from unclouded.colour import composites_of
from unclouded.errors import FileError, InputError
from unclouded.files import quality_path
from unclouded.reading.files.raster import reduced_size
from unclouded.reading.grids.aligned import AlignedImage
from unclouded.reading.info import SceneInfo
from unclouded.reading.names.dates import acquired
from unclouded.reading.quality import Quality, read_quality
from unclouded.reading.reader import ReadOptions
from unclouded.reading.result_item import completed_by_item, is_resampled, item_time, read_item, threshold_of
from unclouded.reading.scene import Scene
from unclouded.reading.scene_pair import ScenePair
from unclouded.reflectance import Encoding, to_reflectance
from unclouded.tiles import Box

_STRIP = 512
"""Rows of an input that are read at once where the result covers a part of it."""


@dataclass(frozen=True)
class OtherComposite:
    """A scene in another composite; `before` and `after` as in `ScenePreview`."""

    composite: str
    bands: tuple[str, ...]
    before: NDArray[np.float32] | None
    after: NDArray[np.float32]


@dataclass(frozen=True)
class ScenePreview:
    """A scene before and after, at a small size.

    Attributes:
        pair: the files.
        before: (C, h, w) reflectance, NaN where there is no data; None if the input is missing.
        after: likewise.
        quality: opacity, uncertainty and source.
        bands: names of the C bands.
        composite: name of the composite that they make.
        info: of the cleared scene.
        acquired: acquisition time, if known.
        threshold: opacity under which pixels were left unchanged, if known.
        notes: what was assumed.
        others: the other composites, if requested.
    """

    pair: ScenePair
    before: NDArray[np.float32] | None
    after: NDArray[np.float32]
    quality: Quality
    bands: tuple[str, ...]
    composite: str
    info: SceneInfo
    acquired: datetime | None
    threshold: float | None
    notes: tuple[str, ...]
    others: tuple[OtherComposite, ...] = ()

    @property
    def grid(self) -> str:
        """The size of the scene as text."""
        info = self.info
        pixel = f"{abs(info.transform.a):g} m" if info.crs.is_projected else f"{abs(info.transform.a):.3g}°"
        return f"{info.width:,} x {info.height:,} pixels of {pixel}, {len(info.bands)} bands, {info.level}"

    @property
    def transform(self) -> Affine:
        """From column and row of the small images to coordinates."""
        height, width = self.quality.opacity.shape
        return self.info.transform * Affine.scale(self.info.width / width, self.info.height / height)


def read_preview(
    pair: ScenePair, side: int, reading: ReadOptions, composite: str | None = None, *, others: bool = False
) -> ScenePreview:
    """Read a cleared scene and its input at `side` pixels at most, through their overviews.

    Args:
        pair: the files.
        side: pixels of the longer side, at most.
        reading: options for what the files do not state themselves.
        composite: of `colour.COMPOSITES`; by default the first that the bands allow.
        others: read the other composites that both files allow, too.

    Raises:
        InputError: the files differ in grid, are no scenes, or lack bands of the composite.
        FileError: a file is missing or damaged.
    """
    quality = quality_path(pair.after)
    if not quality.is_file():
        raise FileError(
            f"{pair.after}: {quality.name} is not beside it; give a result of `unclouded clear`, which writes both"
        )
    reading = completed_by_item(pair.after, reading)
    item = read_item(pair.after)
    with replace(reading, variant=None).open(str(pair.after)) as after:
        info = after.info
        choices = composites_of(info.bands)
        name = composite or next(iter(choices))
        if name not in choices:
            raise InputError(f"{pair.after}: has not the bands to be shown so; it can be shown as {', '.join(choices)}")
        bands = choices[name]
        height, width = reduced_size(info.height, info.width, side)
        wanted = {name: bands} | (choices if others else {})
        cleared = {key: _reflectance(after, wanted[key], height, width) for key in wanted}
    notes = info.notes
    cloudy: Mapping[str, NDArray[np.float32] | None] = dict.fromkeys(wanted)
    if pair.before is not None:
        with _open_before(pair.before, reading, info) as before:
            corner = None if is_resampled(item) else _offset_within(pair, info, before.info, bands)
            wanted = {key: shown for key, shown in wanted.items() if set(shown) <= set(before.info.bands)}
            cloudy = _read_before(before, info, corner, wanted, height, width)
            notes = (*before.info.notes, *notes)
    return ScenePreview(
        pair,
        cloudy[name],
        cleared[name],
        read_quality(quality, (info.height, info.width), height, width),
        bands,
        name,
        info,
        item_time(item) or acquired(info),
        threshold_of(item),
        tuple(dict.fromkeys(notes)),
        tuple(OtherComposite(key, shown, cloudy[key], cleared[key]) for key, shown in wanted.items() if key != name),
    )


def _read_before(
    before: Scene,
    info: SceneInfo,
    corner: tuple[int, int] | None,
    wanted: Mapping[str, tuple[str, ...]],
    height: int,
    width: int,
) -> dict[str, NDArray[np.float32]]:
    """Read composites of the input, (C, height, width) each, on the extent of the cleared scene.

    Args:
        before: the input.
        info: of the cleared scene.
        corner: row and column in the input at which the cleared scene begins; None if it is on another grid.
        wanted: the bands of each composite.
        height: rows to read.
        width: columns to read.
    """
    if corner is None:
        aligned = AlignedImage(before, info)
        return {key: _aligned(aligned, bands, height, width) for key, bands in wanted.items()}
    if (before.info.height, before.info.width) == (info.height, info.width):
        return {key: _reflectance(before, bands, height, width) for key, bands in wanted.items()}
    box = Box(*corner, info.height, info.width)
    return {key: _part(before, bands, box, height, width) for key, bands in wanted.items()}


def _open_before(path: str, reading: ReadOptions, cleared: SceneInfo) -> Scene:
    """Open the input of a result; if the result has only its coarser bands, these alone, on their grid."""
    before = reading.open(path)
    coarse = cleared.transform.a > before.info.transform.a * (1 + 1e-6)
    if reading.bands is not None or not coarse or not set(cleared.bands) < set(before.info.bands):
        return before
    before.close()
    return replace(reading, bands=cleared.bands).open(path)


def _offset_within(pair: ScenePair, info: SceneInfo, before: SceneInfo, bands: Sequence[str]) -> tuple[int, int]:
    """Row and column of a result in the grid of its input, which it may cover in part."""
    column, row = (round(axis) for axis in ~before.transform @ (info.transform.c, info.transform.f))
    own = before.transform * Affine.translation(column, row)
    inside = min(row, column) >= 0 and row + info.height <= before.height and column + info.width <= before.width
    if info.crs != before.crs or not own.almost_equals(info.transform, 1e-6) or not inside:
        raise InputError(
            f"{pair.after}: is not on the grid of {pair.before} ({info.width}x{info.height} against "
            f"{before.width}x{before.height} pixels, their places compared too); give what it was made of"
        )
    if lacking := [band for band in bands if band not in before.bands]:
        raise InputError(f"{pair.before}: has no {', '.join(lacking)}, which {pair.after} has; give its input")
    return row, column


def _reflectance(scene: Scene, bands: tuple[str, ...], height: int, width: int) -> NDArray[np.float32]:
    reflectance, valid = to_reflectance(scene.overview(bands, height, width), _encoding_of(scene, bands))
    reflectance[:, ~valid] = np.nan
    return reflectance


def _encoding_of(scene: Scene, bands: tuple[str, ...]) -> Encoding:
    return scene.info.encoding.of_bands(scene.info.bands.index(band) for band in bands)


def _part(scene: Scene, bands: tuple[str, ...], box: Box, height: int, width: int) -> NDArray[np.float32]:
    """Reflectance (C, height, width) of a part of a scene, by nearest pixels."""
    encoding = _encoding_of(scene, bands)
    wanted = [scene.info.bands.index(band) for band in bands]

    def read(row: int, rows: int) -> NDArray[np.float32]:
        strip = scene.read(box.row + row, box.column, rows, box.width)
        reflectance, valid = to_reflectance(strip[wanted], encoding)
        reflectance[:, ~valid] = np.nan
        return reflectance

    return _subsampled(read, (len(bands), box.height, box.width), height, width)


def _aligned(image: AlignedImage, bands: tuple[str, ...], height: int, width: int) -> NDArray[np.float32]:
    """Reflectance (C, height, width) of an image on the grid of another, by nearest pixels."""
    wanted = [image.info.bands.index(band) for band in bands]
    whole = len(bands), image.scene.height, image.scene.width
    return _subsampled(lambda row, rows: image.read(row, 0, rows, whole[2])[wanted], whole, height, width)


def _subsampled(
    read: Callable[[int, int], NDArray[np.float32]], whole: tuple[int, int, int], height: int, width: int
) -> NDArray[np.float32]:
    """Subsample an image of shape `whole` to (C, height, width) by nearest pixels, reading it in strips of rows.

    Args:
        read: reads a strip, given its first row and number of rows.
        whole: (C, rows, columns) of the image.
        height: rows of the result.
        width: columns of the result.
    """
    rows = ((np.arange(height) + 0.5) * whole[1] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * whole[2] / width).astype(int)
    made = np.empty((whole[0], height, width), np.float32)
    for top in range(0, whole[1], _STRIP):
        here = (rows >= top) & (rows < top + _STRIP)
        if here.any():
            made[:, here] = read(top, min(_STRIP, whole[1] - top))[:, rows[here] - top][..., columns]
    return made
