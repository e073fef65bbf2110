"""Cleared scenes as people look at them: small images before and after, with the opacity and the uncertainty."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import FileError, InputError
from unclouded.files import QUALITY_BANDS, quality_path
from unclouded.reading.raster import open_raster, read_overview
from unclouded.reading.reader import ReadOptions, Scene
from unclouded.reading.scene_pair import ScenePair
from unclouded.reflectance import Encoding, to_reflectance

_NATURAL = ("B04", "B03", "B02")


@dataclass(frozen=True)
class ScenePreview:
    """A scene before and after, made small.

    Attributes:
        pair: where the files are.
        before: (C, h, w) reflectance, NaN where there is no data.
        after: likewise.
        opacity: (h, w), 0 to 1, NaN where there is no data.
        uncertainty: (h, w) in reflectance, likewise.
        bands: what the C bands are.
        grid: width and height of the scene in pixels, and what it is in words.
        notes: what had to be assumed.
    """

    pair: ScenePair
    before: NDArray[np.float32]
    after: NDArray[np.float32]
    opacity: NDArray[np.float32]
    uncertainty: NDArray[np.float32]
    bands: tuple[str, ...]
    grid: str
    notes: tuple[str, ...]


def read_preview(pair: ScenePair, side: int, reading: ReadOptions) -> ScenePreview:
    """Read a cleared scene and its input at `side` pixels at most, through their overviews.

    Raises:
        InputError: they are not of the same grid, or cannot be understood as scenes.
        FileError: a file is missing or damaged.
    """
    quality = quality_path(pair.after)
    if not quality.is_file():
        raise FileError(
            f"{pair.after}: {quality.name} is not beside it; give a result of `unclouded clear`, which writes both"
        )
    reading = _as_said_by_item(pair.after, reading)
    with reading.open(str(pair.after)) as after, reading.open(pair.before) as before:
        info = after.info
        if (info.width, info.height, info.crs, info.transform) != (
            before.info.width,
            before.info.height,
            before.info.crs,
            before.info.transform,
        ):
            raise InputError(
                f"{pair.after}: is not on the grid of {pair.before} ({info.width}x{info.height} against "
                f"{before.info.width}x{before.info.height} pixels, their places compared too); give what it was made of"
            )
        bands = _NATURAL if set(_NATURAL) <= set(info.bands) else info.bands[:1]
        if lacking := [band for band in bands if band not in before.info.bands]:
            raise InputError(f"{pair.before}: has no {', '.join(lacking)}, which {pair.after} has; give its input")
        shrink = max(1.0, max(info.width, info.height) / side)
        height, width = max(1, round(info.height / shrink)), max(1, round(info.width / shrink))
        images = [_reflectance(scene, bands, height, width) for scene in (before, after)]
        pixel = f"{abs(info.transform.a):g} m" if info.crs.is_projected else f"{abs(info.transform.a):.3g}°"
        grid = f"{info.width:,} x {info.height:,} pixels of {pixel}, {len(info.bands)} bands, {info.level}"
        notes = tuple(dict.fromkeys((*before.info.notes, *info.notes)))
    opacity, uncertainty = _quality(quality, (info.height, info.width), height, width)
    return ScenePreview(pair, images[0], images[1], opacity, uncertainty, bands, grid, notes)


def _as_said_by_item(cleared: Path, reading: ReadOptions) -> ReadOptions:
    """Fill in what the user does not say from the STAC item beside a cleared scene, which holds for its input, too."""
    reading = replace(reading, level_needed=False)
    try:
        item = json.loads(cleared.with_suffix(".json").read_text())
        bands = item["assets"]["cleared"]["bands"]
        encodings = {(float(band["raster:scale"]), float(band["raster:offset"])) for band in bands}
        level = str(item["properties"]["processing:level"])
    except (OSError, ValueError, KeyError, TypeError):
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


def _reflectance(scene: Scene, bands: tuple[str, ...], height: int, width: int) -> NDArray[np.float32]:
    encoding = scene.info.encoding
    own = Encoding(
        encoding.scale, tuple(encoding.offsets[scene.info.bands.index(band)] for band in bands), encoding.nodata
    )
    reflectance, valid = to_reflectance(scene.overview(bands, height, width), own)
    reflectance[:, ~valid] = np.nan
    return reflectance


def _quality(
    path: Path, shape: tuple[int, int], height: int, width: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    with open_raster(str(path)) as dataset:
        # Results of before there was a source have the first two.
        if dataset.descriptions[:2] != QUALITY_BANDS[:2] or dataset.shape != shape:
            raise InputError(
                f"{path}: holds {dataset.width}x{dataset.height} pixels of "
                f"{', '.join(text or 'unnamed' for text in dataset.descriptions)}; "
                f"{', '.join(QUALITY_BANDS[:2])} on the scene's grid are needed; clear the scene again"
            )
        values = read_overview(dataset, (1, 2), height, width).astype(np.float32)
        if dataset.nodata is not None:
            values[values == dataset.nodata] = np.nan
    return values[0], values[1]
