"""Animated GIF of a series: each date before clearing on the left, cleared on the right."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from unclouded.colour import Stretch, fit_stretch
from unclouded.errors import InputError
from unclouded.files import write_bytes
from unclouded.progress import Progress, silent
from unclouded.reading.preview import ScenePreview, read_preview
from unclouded.reading.reader import ReadOptions
from unclouded.reading.series import find_series

SIDE = 480
"""Largest longer side of an image in pixels."""

_SMALLEST = 200
"""Longer side in pixels under which images are enlarged by a whole factor."""

_MILLISECONDS = 700
_LAST = 2000
"""Duration of a frame, and of the last one, in milliseconds."""

_GAP = 4
_LINE = 18
"""Pixels between the two images, and of the line above them."""


def write_animation(
    folder: Path, path: Path, reading: ReadOptions, composite: str | None = None, progress: Progress = silent
) -> None:
    """Write the series in a folder as an animated GIF; a date without its input is shown cleared alone.

    Args:
        folder: of the results of `unclouded series`.
        path: of the GIF.
        reading: options for what the items do not state.
        composite: of `colour.COMPOSITES`.
        progress: by dates, see `Progress`.

    Raises:
        InputError: the folder holds no series, or its dates are not on one grid.
        FileError: a file is damaged, or the GIF cannot be written.
    """
    pairs = find_series(folder)
    dates = []
    for number, pair in enumerate(pairs, start=1):
        dates.append(read_preview(pair, SIDE, reading, composite))
        progress("reading dates", number, len(pairs))
    shapes = {date.after.shape for date in dates}
    if len(shapes) > 1:
        raise InputError(
            f"{folder}: its dates do not lie on one grid; give a --bbox or --geometry that all of them hold"
        )
    # One stretch for all dates, that of their median, so that they can be compared.
    with np.errstate(all="ignore"):
        median = np.nanmedian(np.stack([date.after for date in dates]), axis=0).astype(np.float32)
    stretch = fit_stretch(median)
    frames = [_frame(date, stretch) for date in dates]
    data = io.BytesIO()
    times = [_MILLISECONDS] * (len(frames) - 1) + [_LAST]
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:], duration=times, loop=0, disposal=1)
    write_bytes(data.getvalue(), path)


def _frame(date: ScenePreview, stretch: Stretch) -> Image.Image:
    after = _image(stretch.colours(date.after))
    before = None if date.before is None else _image(stretch.colours(date.before))
    width = after.width * 2 + _GAP
    frame = Image.new("RGB", (width, after.height + _LINE), "white")
    frame.paste(after, (after.width + _GAP, _LINE))
    if before is not None:
        frame.paste(before, (0, _LINE))
    valid = np.isfinite(date.quality.source)
    filled = (date.quality.source[valid] > 0).mean() if valid.any() else 0.0
    day = "" if date.acquired is None else f"{date.acquired:%Y-%m-%d}"
    draw, font = ImageDraw.Draw(frame), ImageFont.load_default(12)
    draw.text((2, 1), day, "black", font)
    draw.text((after.width + _GAP + 2, 1), f"{filled:.0%} filled", "black", font)
    return frame


def _image(colours: NDArray[np.float32]) -> Image.Image:
    image = Image.fromarray(np.rint(colours * 255).astype(np.uint8)).convert("RGB")
    times = -(-_SMALLEST // max(image.size)) if max(image.size) < _SMALLEST else 1
    return image.resize((image.width * times, image.height * times), Image.Resampling.NEAREST)
