"""One HTML page of a series: its dates behind a slider, and what a point shows over time, observed and filled apart."""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image
from rasterio.crs import CRS
from rasterio.transform import Affine
from rasterio.warp import Resampling, reproject
from rasterio.warp import transform as transform_points

from unclouded.colour import COMPOSITE_WORDS, STRETCH_WORDS, StretchKind, fit_stretch, source_colour
from unclouded.errors import InputError
from unclouded.progress import Progress, silent
from unclouded.reading.preview import ScenePreview, read_preview
from unclouded.reading.reader import ReadOptions
from unclouded.reading.result_item import completed_by_item
from unclouded.reading.series import find_series
from unclouded.reading.series_points import Points, read_points_of
from unclouded.report.previews import picture, source_image
from unclouded.report.templates import own_file, render
from unclouded.sources import GUESSED

_SIDE = 640
"""Pixels of a preview's longer side, at most."""

_POINTS = 64
"""Points of the longer side whose NDVI is kept, at most."""

_PICTURES, _PICTURES_OF_ONE = 5_000_000, 240_000
"""Bytes that the pictures of all dates, and of one, take at most."""

_MEDIANS = 160
"""Pixels of the longer side of which the stretch is chosen, at most."""

_STEPS = 250
"""NDVI from -1 to 1 in a byte; 255 is none. Errors from 0 to 1 likewise."""
_NONE = 255


@dataclass(frozen=True)
class _Grid:
    """Where the pictures and the points of all dates lie: the grid of the first date."""

    crs: CRS
    transform: Affine
    height: int
    width: int

    def points(self) -> tuple[int, int, NDArray[np.float64], NDArray[np.float64]]:
        """Rows and columns of the points, and the coordinates of the pixels in the middle of their cells."""
        shrink = max(1.0, max(self.height, self.width) / _POINTS)
        rows, columns = max(1, round(self.height / shrink)), max(1, round(self.width / shrink))
        down = (np.arange(rows) + 0.5) * self.height / rows
        across = (np.arange(columns) + 0.5) * self.width / columns
        x, y = self.transform @ tuple(
            axis.ravel() for axis in np.meshgrid(np.floor(across) + 0.5, np.floor(down) + 0.5)
        )
        return rows, columns, np.asarray(x), np.asarray(y)


def render_series(
    folder: Path,
    reading: ReadOptions,
    version: str,
    composite: str | None = None,
    stretch: StretchKind = "scene",
    progress: Progress | None = None,
) -> str:
    """Lay out the dates of a series, a few MB for a hundred of them.

    Args:
        folder: of the results of `unclouded series`.
        reading: how its files are to be read, where their items do not say it.
        version: of this package.
        composite: of `colour.COMPOSITES`.
        stretch: one for all dates, that of their cleared images.
        progress: see `Progress`.

    Raises:
        InputError: the folder holds no series, or its files cannot be understood.
        FileError: a file is missing or damaged.
    """
    pairs, report = find_series(folder), progress or silent
    previews = []
    for done, pair in enumerate(pairs):
        report("reading dates", done, len(pairs))
        previews.append(read_preview(pair, _SIDE, reading, composite))
    first = previews[0]
    height, width = first.quality.opacity.shape
    grid = _Grid(first.info.crs, first.info.transform, first.info.height, first.info.width)
    small = _Grid(grid.crs, first.transform, height, width)
    shown = fit_stretch(_usual(small, previews), stretch)
    limit = min(_PICTURES_OF_ONE, _PICTURES // len(pairs))
    rows, columns, x, y = grid.points()
    dates, points = [], []
    for done, made in enumerate(previews):
        report("drawing dates", done, len(pairs))
        images = {
            "after": picture(_image(shown.colours(_on(small, made, made.after))), limit * 45 // 100, "").uri,
            "source": picture(source_image(_on(small, made, made.quality.source[None])[0]), limit // 10, "").uri,
        }
        if made.before is not None:
            images["before"] = picture(_image(shown.colours(_on(small, made, made.before))), limit * 45 // 100, "").uri
        dates.append(_date(made, previews) | {"images": images})
        points.append(_points_of(made, grid.crs, x, y, reading))
    data = {
        "dates": dates,
        "rows": rows,
        "columns": columns,
        "width": width,
        "height": height,
        "coarse": max(height, width) < _SIDE * 2 // 3,
        "place": _place(grid),
        **_series_of(points),
    }
    return _rendered(data, previews, folder, version, COMPOSITE_WORDS[first.composite], STRETCH_WORDS[stretch])


def _rendered(
    data: dict[str, Any], previews: Sequence[ScenePreview], folder: Path, version: str, composite: str, stretch: str
) -> str:
    own = {name: own_file(file) for name, file in _OWN.items()}
    known = [made.acquired for made in previews if made.acquired]
    # Whatever the names hold, nothing in them ends the element that the data stand in.
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return render(
        "series.html.jinja",
        title=folder.resolve().name,
        count=len(previews),
        period=f"{min(known):%Y-%m-%d} to {max(known):%Y-%m-%d}" if known else "of unknown dates",
        grid=previews[0].grid,
        version=version,
        composite=f"{composite} ({' '.join(previews[0].bands)})",
        stretch=stretch,
        dates=data["dates"],
        first=data["dates"][0],
        size=(data["width"], data["height"]),
        points=(data["columns"], data["rows"]),
        data=Markup(text),
        guessed=_css(GUESSED),
        **own,
    )


_OWN = {"css": "page.css", "series_css": "series.css", "js": "series.js"}


def _date(made: ScenePreview, previews: Sequence[ScenePreview]) -> dict[str, Any]:
    """What the page says of a date."""
    quality = made.quality
    when: dict[str, datetime | None] = {other.pair.before_name: other.acquired for other in previews}
    shares = []
    for code, share in quality.shares.items():
        name = quality.references.get(code, "")
        time = when.get(Path(name).name)
        words = "guessed" if code == GUESSED else f"from {time:%Y-%m-%d}" if time else f"from {Path(name).name or code}"
        shares.append({"code": code, "words": words, "share": round(share, 6), "colour": _css(code)})
    return {
        "name": made.pair.after.name,
        "label": f"{made.acquired:%Y-%m-%d}" if made.acquired else made.pair.after.stem,
        "time": int(made.acquired.timestamp() * 1000) if made.acquired else None,
        "level": made.info.level,
        "replaced": None if np.isnan(quality.replaced) else round(quality.replaced, 6),
        "error": None if quality.error is None else round(quality.error, 4),
        "shares": shares,
    }


def _points_of(
    made: ScenePreview, crs: CRS, x: NDArray[np.float64], y: NDArray[np.float64], reading: ReadOptions
) -> Points | None:
    try:
        return read_points_of(made.pair.after, crs, x, y, completed_by_item(made.pair.after, reading))
    except InputError:
        return None  # without the bands of which NDVI is made the page has pictures alone


def _series_of(points: Sequence[Points | None]) -> dict[str, str]:
    """NDVI, its error and the source of all points at all dates, a byte each, in base64; nothing if no date has any."""
    there = [made for made in points if made is not None]
    if len(there) < len(points) or not any(np.isfinite(made.ndvi).any() for made in there):
        return {"ndvi": "", "error": "", "source": ""}
    return {
        "ndvi": _bytes([_STEPS * (made.ndvi + 1) / 2 for made in there]),
        "error": _bytes([_STEPS * made.error for made in there]),
        "source": _bytes([made.source for made in there]),
    }


def _bytes(rows: Sequence[NDArray[np.floating]]) -> str:
    values = np.stack(rows)
    held = np.where(np.isfinite(values), np.clip(np.rint(np.nan_to_num(values)), 0, _STEPS), _NONE)
    return base64.b64encode(held.astype(np.uint8).tobytes()).decode()


def _usual(grid: _Grid, previews: Sequence[ScenePreview]) -> NDArray[np.float32]:
    """The median over the dates of some pixels (C, h, w): haze that was missed on some of them does not count."""
    step = -(-max(grid.height, grid.width) // _MEDIANS)
    dates = np.stack([_on(grid, made, made.after)[:, ::step, ::step] for made in previews])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # pixels that no date has
        return np.asarray(np.nanmedian(dates, axis=0), np.float32)


def _on(grid: _Grid, made: ScenePreview, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """An image (C, h, w) of a date on the page's grid; the nearest pixels, since it may hold codes."""
    if (made.info.crs, made.transform, image.shape[1:]) == (grid.crs, grid.transform, (grid.height, grid.width)):
        return image
    there = np.full((len(image), grid.height, grid.width), np.nan, np.float32)
    reproject(
        image,
        there,
        src_transform=made.transform,
        src_crs=made.info.crs,
        src_nodata=np.nan,
        dst_transform=grid.transform,
        dst_crs=grid.crs,
        dst_nodata=np.nan,
        resampling=Resampling.nearest,
    )
    return there


def _image(shown: NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(np.rint(255 * shown).astype(np.uint8)).convert("RGB")


def _css(code: int) -> str:
    return "rgb({} {} {})".format(*source_colour(code))


def _place(grid: _Grid) -> dict[str, list[list[float]]] | None:
    """Polynomials between shares of the width and height and degrees; None where that is no place on the Earth.

    Of second order: over the 110 km of a tile they are off by a metre.
    """
    across, down = (axis.ravel() for axis in np.meshgrid(np.linspace(0, 1, 9), np.linspace(0, 1, 9)))
    x, y = grid.transform @ (across * grid.width, down * grid.height)
    longitude, latitude = (np.asarray(axis) for axis in transform_points(grid.crs, "EPSG:4326", x, y)[:2])
    if not (np.isfinite(longitude).all() and np.isfinite(latitude).all()):
        return None
    longitude = np.where(longitude - longitude[0] > 180, longitude - 360, longitude)
    longitude = np.where(longitude - longitude[0] < -180, longitude + 360, longitude)
    centre = [float(longitude.mean()), float(latitude.mean())]
    return {
        "centre": [centre],
        "degrees": _fitted(across, down, (longitude - centre[0], latitude - centre[1])),
        "shares": _fitted(longitude - centre[0], latitude - centre[1], (across, down)),
    }


def _fitted(u: NDArray[np.float64], v: NDArray[np.float64], values: Sequence[NDArray[np.float64]]) -> list[list[float]]:
    terms = np.stack([np.ones_like(u), u, v, u * u, u * v, v * v], axis=1)
    return [[float(c) for c in np.linalg.lstsq(terms, value, rcond=None)[0]] for value in values]
