"""Contact sheets: many patches in one picture, in rows with titles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from unclouded.colour import coloured
from unclouded.report.figures import save_figure

_NATURAL = ("B02", "B03", "B04")
_GAP = 3
"""White pixels between patches."""


def contact_sheet(rows: Mapping[str, Sequence[NDArray[np.float32]]], path: Path, *, wide: int = 10) -> None:
    """Draw images into a PNG, `wide` side by side under the title of their row.

    Args:
        rows: images (h, w, 3) or (h, w) in [0, 1], all of one size, by title; long rows are wrapped.
        path: of the PNG; an existing one is replaced.
        wide: images side by side.

    Raises:
        FileError: if the PNG cannot be written.
    """
    sheets = {title: _mosaic(images, wide) for title, images in rows.items() if images}
    heights = [sheet.shape[0] for sheet in sheets.values()]
    width = max(sheet.shape[1] for sheet in sheets.values())
    title_height = 20
    pixels = sum(heights) + title_height * len(sheets)
    figure = Figure(figsize=(width / 100, pixels / 100), dpi=100)
    top = float(pixels)
    for title, sheet in sheets.items():
        figure.text(0.002, (top - 5) / pixels, title, fontsize=8, va="top")
        top -= title_height + sheet.shape[0]
        axes = figure.add_axes((0.0, top / pixels, sheet.shape[1] / width, sheet.shape[0] / pixels))
        axes.imshow(sheet, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
    save_figure(figure, path, dpi=100)


def in_colour(patch: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """Natural colour (h, w, 3) of a patch's DN by band, or one band in grey (h, w) if one of the three is absent."""
    bands = _NATURAL if all(name in patch for name in _NATURAL) else (min(patch),)
    reflectance = np.stack([patch[name] for name in bands]).astype(np.float32) / np.float32(10_000)
    return coloured([reflectance], bands, like=reflectance)[0]


def _mosaic(images: Sequence[NDArray[np.float32]], wide: int) -> NDArray[np.float32]:
    tinted = [np.repeat(image[..., None], 3, -1) if image.ndim == 2 else image for image in images]
    height, width = tinted[0].shape[:2]
    high = -(-len(tinted) // wide)
    sheet = np.ones((high * (height + _GAP), wide * (width + _GAP), 3), np.float32)
    for index, image in enumerate(tinted):
        top, left = index // wide * (height + _GAP), index % wide * (width + _GAP)
        sheet[top : top + height, left : left + width] = image
    return sheet
