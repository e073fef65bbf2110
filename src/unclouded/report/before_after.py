"""An image before and after clearing, and its opacity, in one picture; by Pillow alone, for `unclouded demo`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from unclouded.errors import FileError
from unclouded.files import aside, publish
from unclouded.report.colour import NATURAL, natural_colour, white_point

_SIDE = 360
"""Pixels of a panel's longer side, at least: a patch is enlarged pixel by pixel."""

_GAP = 12
_LINE = 18
"""Pixels of a line of text, of `_TEXT` pixels."""
_TEXT = 13
_RAMP = (110, 10)
"""Width and height in pixels of the legend's bar."""


def before_after(
    cloudy: NDArray[np.float32],
    cleared: NDArray[np.float32],
    opacity: NDArray[np.float32],
    bands: Sequence[str],
    path: Path,
    title: str,
) -> None:
    """Draw an image before and after clearing, and the opacity, side by side into a PNG, with a legend.

    Args:
        cloudy: (C, h, w) reflectance.
        cleared: (C, h, w) reflectance.
        opacity: (h, w), 0 to 1.
        bands: the name of each band.
        path: the PNG; one that is there is replaced.
        title: of the picture.

    Raises:
        FileError: if the PNG cannot be written.
    """
    white = white_point(cleared, bands)
    shown = "natural colour" if set(NATURAL) <= set(bands) else f"{bands[0]} in grey"
    panels = {
        "before": natural_colour(cloudy, bands, white),
        "after": natural_colour(cleared, bands, white),
        "opacity": np.nan_to_num(opacity),
    }
    picture = _panels(panels, title, f"{shown}; white is a reflectance of {white:.2f}")
    with aside(path) as folder:
        whole = folder / "picture.png"
        try:
            picture.save(whole)
        except OSError as error:
            raise FileError(
                f"{path}: cannot be written ({error.strerror}); check the disk and its free space"
            ) from error
        publish({whole: path})


def _panels(panels: dict[str, NDArray[np.float32]], title: str, legend: str) -> Image.Image:
    """Lay named images in [0, 1] side by side under a title, the legend of the first ones and of the last below."""
    height, width = next(iter(panels.values())).shape[:2]
    scale = max(1, -(-_SIDE // max(height, width)))
    height, width = height * scale, width * scale
    top = 2 * _GAP + 2 * _LINE
    bottom = top + height + _GAP
    size = (len(panels) * (width + _GAP) + _GAP, bottom + _LINE + _GAP)
    picture = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(_TEXT)
    draw.text((_GAP, _GAP), title, "black", font)
    left = _GAP
    for name, image in panels.items():
        draw.text((left, top - _LINE), name, "black", font)
        panel = Image.fromarray(np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)).convert("RGB")
        picture.paste(panel.resize((width, height), Image.Resampling.NEAREST), (left, top))
        left += width + _GAP
    draw.text((_GAP, bottom), legend, "black", font)
    left -= width + _GAP
    draw.text((left, bottom), "0, kept", "black", font)
    left += round(draw.textlength("0, kept", font)) + _GAP
    ramp = Image.fromarray(np.tile(np.linspace(0, 255, _RAMP[0]).astype(np.uint8), (_RAMP[1], 1))).convert("RGB")
    middle = bottom + (_LINE - _RAMP[1]) // 2
    picture.paste(ramp, (left, middle))
    draw.rectangle((left - 1, middle - 1, left + _RAMP[0], middle + _RAMP[1]), outline="grey")
    draw.text((left + _RAMP[0] + _GAP, bottom), "1, replaced", "black", font)
    return picture
