"""Picture of an image before and after clearing with its quality, by Pillow alone, for `unclouded demo`."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from unclouded.colour import coloured, composites_of
from unclouded.files import write_bytes

_SIDE = 360
"""Least longer side of a panel in pixels; smaller images are enlarged by a whole factor."""

_GAP = 14
_LINE = 20
"""Height in pixels of a line of text of the size `_TEXT`."""
_TEXT = 14
_RAMP = 12
"""Height in pixels of a legend's bar."""

_OPACITY = ((24, 28, 32), (226, 0, 122), (255, 238, 247))
_UNCERTAINTY = ((24, 28, 40), (33, 113, 150), (246, 211, 101))
"""Colours of the two quality bands, from 0 to the largest value."""


def before_after(
    cloudy: NDArray[np.float32],
    cleared: NDArray[np.float32],
    opacity: NDArray[np.float32],
    uncertainty: NDArray[np.float32],
    bands: Sequence[str],
    path: Path,
    title: str,
) -> None:
    """Draw an image before and after clearing, its opacity and its uncertainty side by side, with legends, into a PNG.

    Args:
        cloudy: (C, h, w) reflectance.
        cleared: (C, h, w) reflectance.
        opacity: (h, w), 0 to 1.
        uncertainty: (h, w) in reflectance.
        bands: the name of each band.
        path: of the PNG; an existing one is replaced.
        title: of the picture.

    Raises:
        FileError: if the PNG cannot be written.
    """
    name, shown = next(iter(composites_of(bands).items()))
    caption = "natural colour, one stretch" if name == "natural" else f"{' '.join(shown)}, one stretch"
    before, after = coloured((cloudy, cleared), bands, like=cleared)
    most = float(np.nanmax(uncertainty, initial=0.0))
    panels = [
        (_eight_bit(before), "Before", "", caption),
        (_eight_bit(after), "After", "", "clear pixels are the input's"),
        (_ramp(opacity, _OPACITY), "Opacity", "0, kept", "1, replaced"),
        (
            _ramp(uncertainty / (most or 1), _UNCERTAINTY),
            "Uncertainty: the error to expect",
            "0",
            f"{most:.3f} reflectance",
        ),
    ]
    colours = [None, None, _OPACITY, _UNCERTAINTY]
    picture = _picture(panels, colours, title)
    stream = io.BytesIO()
    picture.save(stream, "PNG")
    write_bytes(stream.getvalue(), path, "check the disk and its free space")


def _picture(
    panels: Sequence[tuple[NDArray[np.uint8], str, str, str]],
    colours: Sequence[Sequence[tuple[int, int, int]] | None],
    title: str,
) -> Image.Image:
    """Lay panels (image, name, least, most) side by side under a title, each over its legend."""
    height, width = panels[0][0].shape[:2]
    scale = max(1, -(-_SIDE // max(height, width)))
    height, width = height * scale, width * scale
    top = _GAP + 2 * _LINE + _GAP // 2
    size = (len(panels) * (width + _GAP) + _GAP, top + height + _GAP // 2 + _RAMP + _LINE + _GAP)
    picture = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(_TEXT)
    draw.text((_GAP, _GAP // 2), _fitting(title, size[0] - 2 * _GAP, font), "black", font)
    for number, ((image, name, least, most), ramp) in enumerate(zip(panels, colours, strict=True)):
        left, below = _GAP + number * (width + _GAP), top + height + _GAP // 2
        draw.text((left, top - _LINE), _fitting(name, width, font), "black", font)
        panel = Image.fromarray(image).convert("RGB")
        picture.paste(panel.resize((width, height), Image.Resampling.NEAREST), (left, top))
        if ramp is None:
            draw.text((left, below), _fitting(most, width, font), "dimgrey", font)
            continue
        bar = _ramp(np.linspace(0, 1, width, dtype=np.float32)[None], ramp)
        picture.paste(Image.fromarray(np.tile(bar, (_RAMP, 1, 1))), (left, below))
        draw.text((left, below + _RAMP + 2), least, "dimgrey", font)
        draw.text((left + width - draw.textlength(most, font), below + _RAMP + 2), most, "dimgrey", font)
    return picture


def _fitting(text: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """Shorten a text in its middle if it is wider than so many pixels."""
    kept = len(text)
    while kept > 2 and font.getlength(shown := text if kept == len(text) else _shortened(text, kept)) > width:
        kept -= 1
    return shown if kept > 2 else text[:1]


def _shortened(text: str, kept: int) -> str:
    return f"{text[: (kept + 1) // 2]}…{text[len(text) - kept // 2 :]}"


def _eight_bit(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)


def _ramp(values: NDArray[np.float32], colours: Sequence[tuple[int, int, int]]) -> NDArray[np.uint8]:
    """Colour (h, w, 3) of values (h, w) in [0, 1] by linear interpolation; values that are not finite count as 0."""
    at = np.linspace(0, 1, len(colours))
    channels = [np.interp(np.nan_to_num(values), at, channel) for channel in zip(*colours, strict=True)]
    image: NDArray[np.uint8] = np.rint(np.stack(channels, -1)).astype(np.uint8)
    return image
