"""Cleared scenes as people look at them: small images before and after, their quality, and what is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from rasterio.transform import Affine

from unclouded.colour import composites_of
from unclouded.errors import FileError, InputError
from unclouded.files import QUALITY_BANDS, quality_path
from unclouded.reading.files.raster import open_raster, read_overview
from unclouded.reading.grids.aligned import AlignedImage
from unclouded.reading.info import SceneInfo
from unclouded.reading.names.dates import acquired, day_in
from unclouded.reading.reader import ReadOptions
from unclouded.reading.scene import Scene
from unclouded.reading.scene_pair import ScenePair
from unclouded.reading.series import item_time, read_item
from unclouded.reflectance import Encoding, to_reflectance
from unclouded.sources import FIRST_REFERENCE, GUESSED, OBSERVED, named_references
from unclouded.tiles import Box

_STRIP = 512
"""Rows of an input that are read at once where the result is a part of it."""


@dataclass(frozen=True)
class Quality:
    """The quality of a scene, made small.

    Attributes:
        opacity: (h, w), 0 to 1, NaN where there is no data.
        uncertainty: (h, w) in reflectance, likewise.
        source: (h, w) see `unclouded.sources`, likewise.
        references: names by their `source`.
    """

    opacity: NDArray[np.float32]
    uncertainty: NDArray[np.float32]
    source: NDArray[np.float32]
    references: dict[int, str] = field(default_factory=dict)

    @property
    def replaced(self) -> float:
        """Share of the pixels with data that are not as they were; NaN if there are none."""
        there = np.isfinite(self.opacity)
        return float((self.opacity[there] > 0).mean()) if there.any() else float("nan")

    @property
    def error(self) -> float | None:
        """Mean uncertainty where something was replaced; None where nothing was."""
        there = np.nan_to_num(self.opacity) > 0
        return float(np.nanmean(self.uncertainty[there])) if there.any() else None

    @property
    def shares(self) -> dict[int, float]:
        """Share of the pixels with data that come from each `source` but the scene itself."""
        codes = self.source[np.isfinite(self.source)].astype(int)
        return {int(code): float((codes == code).mean()) for code in np.unique(codes) if code > OBSERVED}

    def words(self, code: int) -> str:
        """What a `source` is called: of a reference the day, if its name holds one."""
        if code in (OBSERVED, GUESSED):
            return "observed" if code == OBSERVED else "guessed by the network"
        name = PurePosixPath(self.references.get(code, "")).name
        return f"from {day_in(name) or name or f'reference {code - FIRST_REFERENCE + 1}'}"


@dataclass(frozen=True)
class OtherBands:
    """What a scene shows in another composite; `before` and `after` as in `ScenePreview`."""

    composite: str
    bands: tuple[str, ...]
    before: NDArray[np.float32] | None
    after: NDArray[np.float32]


@dataclass(frozen=True)
class ScenePreview:
    """A scene before and after, made small.

    Attributes:
        pair: where the files are.
        before: (C, h, w) reflectance, NaN where there is no data; None if the input is gone.
        after: likewise.
        quality: opacity, uncertainty and source.
        bands: what the C bands are.
        composite: what they are called together.
        info: of the cleared scene.
        acquired: when it was taken, if that is known.
        threshold: opacity under which pixels stay as they are, if that is known.
        notes: what had to be assumed.
        others: what it shows in the other composites, if they were asked for.
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
    others: tuple[OtherBands, ...] = ()

    @property
    def grid(self) -> str:
        """The size of the scene in words."""
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
        pair: where they are.
        side: pixels of the longer side, at most.
        reading: how they are to be read, where they do not say it themselves.
        composite: of `colour.COMPOSITES`; the usual one unless given.
        others: read the other composites that both have, too.

    Raises:
        InputError: they are not of the same grid, or cannot be understood as scenes, or do not have the composite.
        FileError: a file is missing or damaged.
    """
    quality = quality_path(pair.after)
    if not quality.is_file():
        raise FileError(
            f"{pair.after}: {quality.name} is not beside it; give a result of `unclouded clear`, which writes both"
        )
    reading = as_said_by_item(pair.after, reading)
    item = read_item(pair.after)
    with replace(reading, variant=None).open(str(pair.after)) as after:
        info = after.info
        choices = composites_of(info.bands)
        name = composite or next(iter(choices))
        if name not in choices:
            raise InputError(f"{pair.after}: has not the bands to be shown so; it can be shown as {', '.join(choices)}")
        bands = choices[name]
        shrink = max(1.0, max(info.width, info.height) / side)
        height, width = max(1, round(info.height / shrink)), max(1, round(info.width / shrink))
        wanted = {name: bands} | (choices if others else {})
        cleared = {key: _reflectance(after, wanted[key], height, width) for key in wanted}
    notes = info.notes
    cloudy: dict[str, NDArray[np.float32] | None] = dict.fromkeys(wanted)
    if pair.before is not None:
        resampled = is_resampled(item)
        with _open_before(pair.before, reading, info) as before:
            row, column = (0, 0) if resampled else _place_in(pair, info, before.info, bands)
            wanted = {key: shown for key, shown in wanted.items() if set(shown) <= set(before.info.bands)}
            if resampled:
                there = AlignedImage(before, info)
                cloudy = {key: _aligned(there, shown, height, width) for key, shown in wanted.items()}
            elif (before.info.height, before.info.width) == (info.height, info.width):
                cloudy = {key: _reflectance(before, shown, height, width) for key, shown in wanted.items()}
            else:
                box = Box(row, column, info.height, info.width)
                cloudy = {key: _part(before, shown, box, height, width) for key, shown in wanted.items()}
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
        tuple(OtherBands(key, shown, cloudy[key], cleared[key]) for key, shown in wanted.items() if key != name),
    )


def as_said_by_item(cleared: Path, reading: ReadOptions) -> ReadOptions:
    """Fill in what the user does not say from the STAC item beside a cleared scene, which holds for its input, too."""
    reading = replace(reading, level_needed=False)
    item = read_item(cleared)
    try:
        bands = item["assets"]["cleared"]["bands"]
        encodings = {(float(band["raster:scale"]), float(band["raster:offset"])) for band in bands}
        level = str(item["properties"]["processing:level"])
    except (ValueError, KeyError, TypeError):
        return reading  # of another program, or none: the files have to say it themselves
    if len(encodings) != 1:
        return replace(reading, level=reading.level or level)
    step, offset = encodings.pop()
    return replace(
        reading,
        level=reading.level or level,
        scale=1 / step if reading.scale is None else reading.scale,
        offset=round(offset / step, 6) if reading.offset is None else reading.offset,
    )


def threshold_of(item: object) -> float | None:
    """Opacity under which pixels stay as they are, by the STAC item of a result; None where it does not say."""
    try:
        return float(item["properties"]["unclouded:threshold"])  # type: ignore[index]
    except (KeyError, TypeError, ValueError):
        return None


def is_resampled(item: object) -> bool:
    """Whether the result of an item lies on another grid than its input, as was asked for."""
    try:
        return bool(item["properties"]["unclouded:resampled"])  # type: ignore[index]
    except (KeyError, TypeError):
        return False


def _open_before(path: str, reading: ReadOptions, cleared: SceneInfo) -> Scene:
    """Open the input of a result, which may be of its coarser bands alone, and so on their grid."""
    before = reading.open(path)
    coarse = cleared.transform.a > before.info.transform.a * (1 + 1e-6)
    if reading.bands is not None or not coarse or not set(cleared.bands) < set(before.info.bands):
        return before
    before.close()
    return replace(reading, bands=cleared.bands).open(path)


def _place_in(pair: ScenePair, info: SceneInfo, before: SceneInfo, bands: Sequence[str]) -> tuple[int, int]:
    """Row and column of a result in the grid of its input, of which it may be a part alone."""
    column, row = (round(axis) for axis in ~before.transform @ (info.transform.c, info.transform.f))
    there = before.transform * Affine.translation(column, row)
    inside = min(row, column) >= 0 and row + info.height <= before.height and column + info.width <= before.width
    if info.crs != before.crs or not there.almost_equals(info.transform, 1e-6) or not inside:
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
    """Reflectance (C, height, width) of the nearest pixels of a part of a scene."""
    encoding = _encoding_of(scene, bands)
    wanted = [scene.info.bands.index(band) for band in bands]

    def read(row: int, rows: int) -> NDArray[np.float32]:
        strip = scene.read(box.row + row, box.column, rows, box.width)
        reflectance, valid = to_reflectance(strip[wanted], encoding)
        reflectance[:, ~valid] = np.nan
        return reflectance

    return _thinned(read, (len(bands), box.height, box.width), height, width)


def _aligned(image: AlignedImage, bands: tuple[str, ...], height: int, width: int) -> NDArray[np.float32]:
    """The same of an image on the grid of another."""
    wanted = [image.info.bands.index(band) for band in bands]
    whole = len(bands), image.scene.height, image.scene.width
    return _thinned(lambda row, rows: image.read(row, 0, rows, whole[2])[wanted], whole, height, width)


def _thinned(
    read: Callable[[int, int], NDArray[np.float32]], whole: tuple[int, int, int], height: int, width: int
) -> NDArray[np.float32]:
    """The nearest pixels (C, height, width) of what is read in strips of so many rows from a row on."""
    rows = ((np.arange(height) + 0.5) * whole[1] / height).astype(int)
    columns = ((np.arange(width) + 0.5) * whole[2] / width).astype(int)
    made = np.empty((whole[0], height, width), np.float32)
    for top in range(0, whole[1], _STRIP):
        here = (rows >= top) & (rows < top + _STRIP)
        if here.any():
            made[:, here] = read(top, min(_STRIP, whole[1] - top))[:, rows[here] - top][..., columns]
    return made


def read_quality(path: Path, shape: tuple[int, int], height: int, width: int) -> Quality:
    """Read the quality of a scene of `shape` at the size given.

    Raises:
        InputError: it is not that of the scene.
        FileError: it is damaged.
    """
    with open_raster(str(path)) as dataset:
        # Results of before there was a source have the first two.
        if dataset.descriptions[:2] != QUALITY_BANDS[:2] or dataset.shape != shape:
            raise InputError(
                f"{path}: holds {dataset.width}x{dataset.height} pixels of "
                f"{', '.join(text or 'unnamed' for text in dataset.descriptions)}; "
                f"{', '.join(QUALITY_BANDS[:2])} on the scene's grid are needed; clear the scene again"
            )
        values = read_overview(dataset, dataset.indexes, height, width, classes=True).astype(np.float32)
        if dataset.nodata is not None:
            values[values == dataset.nodata] = np.nan
        opacity, uncertainty = values[:2]
        source = np.rint(values[2]) if len(values) > 2 else np.where(opacity > 0, np.float32(1), opacity)
        tags = dataset.tags()
    return Quality(opacity, uncertainty, source, named_references(tags))
