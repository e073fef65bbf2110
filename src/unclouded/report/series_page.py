"""HTML page of a series: its dates with a slider, and the NDVI of a point over time, observed or filled."""

from __future__ import annotations

import base64
import json
import warnings
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image
from rasterio.crs import CRS

from unclouded.colour import (
    COMPOSITE_DESCRIPTIONS,
    STRETCH_DESCRIPTIONS,
    Stretch,
    StretchKind,
    fit_stretch,
    source_colour,
)
from unclouded.errors import InputError
from unclouded.progress import Progress, silent
from unclouded.reading.preview import ScenePreview, read_preview
from unclouded.reading.reader import ReadOptions
from unclouded.reading.result_item import completed_by_item
from unclouded.reading.series import find_series
from unclouded.reading.series_points import Points, read_points_of
from unclouded.report.page_grid import PageGrid, degrees_of, on_grid
from unclouded.report.previews import picture, source_image
from unclouded.report.templates import own_file, render
from unclouded.sources import GUESSED

_SIDE = 640
"""Pixels of a preview's longer side, at most."""

_PICTURES, _PICTURES_OF_ONE = 5_000_000, 240_000
"""Most bytes of the pictures of all dates, and of one."""

_MEDIANS = 160
"""Pixels of the longer side of the overviews for the stretch, at most."""

_STEPS = 250
"""Levels in a byte of NDVI from -1 to 1, and of errors from 0 to 1."""
_NONE = 255


def render_series(
    folder: Path,
    reading: ReadOptions,
    version: str,
    composite: str | None = None,
    stretch: StretchKind = "scene",
    progress: Progress | None = None,
) -> str:
    """Render the page of a series as HTML, a few MB for a hundred dates.

    Args:
        folder: of the results of `unclouded series`.
        reading: options for what the items do not state.
        version: of this package.
        composite: of `colour.COMPOSITES`.
        stretch: kind of the stretch, which is the same for all dates.
        progress: see `Progress`.

    Raises:
        InputError: the folder holds no series, or its files are no scenes.
        FileError: a file is missing or damaged.
    """
    pairs, report = find_series(folder), progress or silent
    previews = []
    for done, pair in enumerate(pairs):
        report("reading dates", done, len(pairs))
        previews.append(read_preview(pair, _SIDE, reading, composite))
    first = previews[0]
    height, width = first.quality.opacity.shape
    grid = PageGrid(first.info.crs, first.info.transform, first.info.height, first.info.width)
    small = PageGrid(grid.crs, first.transform, height, width)
    fitted = fit_stretch(_median_image(small, previews), stretch)
    limit = min(_PICTURES_OF_ONE, _PICTURES // len(pairs))
    rows, columns, x, y = grid.points()
    dates, points = [], []
    for done, preview in enumerate(previews):
        report("drawing dates", done, len(pairs))
        dates.append(_date(preview, previews) | {"images": _images(preview, small, fitted, limit)})
        points.append(_points_of(preview, grid.crs, x, y, reading))
    data = {
        "dates": dates,
        "rows": rows,
        "columns": columns,
        "width": width,
        "height": height,
        "coarse": max(height, width) < _SIDE * 2 // 3,
        "place": degrees_of(grid),
        **_series_of(points),
    }
    names = COMPOSITE_DESCRIPTIONS[first.composite], STRETCH_DESCRIPTIONS[stretch]
    return _rendered(data, previews, folder, version, *names)


def _images(preview: ScenePreview, grid: PageGrid, stretch: Stretch, limit: int) -> dict[str, str]:
    """The pictures of a date on the page's grid as data URIs of `limit` bytes together."""
    images = {"after": preview.after} | ({} if preview.before is None else {"before": preview.before})
    uris = {
        name: picture(_image(stretch.colours(on_grid(grid, preview, image))), limit * 45 // 100, "").uri
        for name, image in images.items()
    }
    source = on_grid(grid, preview, preview.quality.source[None])[0]
    return uris | {"source": picture(source_image(source), limit // 10, "").uri}


def _rendered(
    data: dict[str, Any], previews: Sequence[ScenePreview], folder: Path, version: str, composite: str, stretch: str
) -> str:
    own = {name: own_file(file) for name, file in _OWN.items()}
    known = [preview.acquired for preview in previews if preview.acquired]
    # Escaped, so that no name can end the element that holds the data.
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


def _date(preview: ScenePreview, previews: Sequence[ScenePreview]) -> dict[str, Any]:
    """The data of a date on the page."""
    quality = preview.quality
    when: dict[str, datetime | None] = {other.pair.before_name: other.acquired for other in previews}
    shares = []
    for code, share in quality.shares.items():
        name = quality.references.get(code, "")
        time = when.get(Path(name).name)
        label = "guessed" if code == GUESSED else f"from {time:%Y-%m-%d}" if time else f"from {Path(name).name or code}"
        shares.append({"code": code, "label": label, "share": round(share, 6), "colour": _css(code)})
    return {
        "name": preview.pair.after.name,
        "label": f"{preview.acquired:%Y-%m-%d}" if preview.acquired else preview.pair.after.stem,
        "time": int(preview.acquired.timestamp() * 1000) if preview.acquired else None,
        "level": preview.info.level,
        "replaced": None if np.isnan(quality.replaced) else round(quality.replaced, 6),
        "error": None if quality.error is None else round(quality.error, 4),
        "shares": shares,
    }


def _points_of(
    preview: ScenePreview, crs: CRS, x: NDArray[np.float64], y: NDArray[np.float64], reading: ReadOptions
) -> Points | None:
    try:
        return read_points_of(preview.pair.after, crs, x, y, completed_by_item(preview.pair.after, reading))
    except InputError:
        return None  # without the bands of NDVI, the page has no chart


def _series_of(points: Sequence[Points | None]) -> dict[str, str]:
    """NDVI, its error and the source of all points at all dates, a byte each, in base64; empty without any NDVI."""
    known = [date for date in points if date is not None]
    if len(known) < len(points) or not any(np.isfinite(date.ndvi).any() for date in known):
        return {"ndvi": "", "error": "", "source": ""}
    return {
        "ndvi": _bytes([_STEPS * (date.ndvi + 1) / 2 for date in known]),
        "error": _bytes([_STEPS * date.error for date in known]),
        "source": _bytes([date.source for date in known]),
    }


def _bytes(rows: Sequence[NDArray[np.floating]]) -> str:
    values = np.stack(rows)
    held = np.where(np.isfinite(values), np.clip(np.rint(np.nan_to_num(values)), 0, _STEPS), _NONE)
    return base64.b64encode(held.astype(np.uint8).tobytes()).decode()


def _median_image(grid: PageGrid, previews: Sequence[ScenePreview]) -> NDArray[np.float32]:
    """Median over the dates of a subsampled image (C, h, w), which residual haze on some dates does not affect."""
    step = -(-max(grid.height, grid.width) // _MEDIANS)
    dates = np.stack([on_grid(grid, preview, preview.after)[:, ::step, ::step] for preview in previews])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # pixels that no date has
        return np.asarray(np.nanmedian(dates, axis=0), np.float32)


def _image(shown: NDArray[np.float32]) -> Image.Image:
    return Image.fromarray(np.rint(255 * shown).astype(np.uint8)).convert("RGB")


def _css(code: int) -> str:
    return "rgb({} {} {})".format(*source_colour(code))
