"""Images as data URIs of limited size, and coloured overlays of the quality."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_hex
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from unclouded.colour import GLANCE, OPACITY_COLOUR, QUALITY_DESCRIPTIONS, StretchKind, coloured, source_colour
from unclouded.errors import FileError
from unclouded.reading.quality import Quality
from unclouded.report.blocks import Overlay, Picture
from unclouded.shares import percent

SIDE = GLANCE
"""Largest longer side of a preview in pixels."""

_QUALITIES = (88, 78, 66, 52)
_EXACT = 300 * 300
"""Pixels up to which a picture is encoded losslessly, if that fits, since patches are viewed pixel by pixel."""

_SMALLEST = 48
"""Longer side in pixels under which a picture is not reduced any further."""

_HOPELESS = 2.5
"""Multiple of the limit above which lower quality would not fit either, so that the picture is reduced at once."""

_STRONGEST = 0.85
"""Largest alpha of overlays."""

_UNCERTAINTY = f"Uncertainty: {QUALITY_DESCRIPTIONS['uncertainty']}"
_SOURCE = f"Source: {QUALITY_DESCRIPTIONS['source']}"


def picture(image: Image.Image, limit: int, alt: str) -> Picture:
    """Encode an image as WebP of at most `limit` bytes in base64: losslessly if small, else at lower quality or size.

    Width and height of the picture are those of `image`, at which the page shows it.
    """
    size = image.size
    while True:
        for data in _encodings(image):
            uri = "data:image/webp;base64," + base64.b64encode(data).decode()
            if len(uri) <= limit:
                return Picture(uri, *size, alt)
            if len(uri) > _HOPELESS * limit and image.width * image.height > _EXACT:
                break
        if max(image.size) <= _SMALLEST:
            return Picture(uri, *size, alt)
        image = image.resize((max(1, image.width * 3 // 4), max(1, image.height * 3 // 4)), Image.Resampling.LANCZOS)


def picture_of_file(path: Path, limit: int, alt: str) -> Picture:
    """Encode a PNG file, see `picture`.

    Raises:
        FileError: it is no PNG, or damaged.
    """
    try:
        with Image.open(path, formats=("PNG",)) as file:
            image = file.convert("RGB")
    except (OSError, UnidentifiedImageError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise FileError(f"{path}: is no PNG that can be read ({error}); remove it or draw it again") from error
    image.thumbnail((2 * SIDE, 2 * SIDE))
    return picture(image, limit, alt)


def in_colour(
    images: Sequence[NDArray[np.float32]],
    bands: Sequence[str],
    like: NDArray[np.float32],
    kind: StretchKind = "scene",
) -> list[Image.Image]:
    """Colour images (C, h, w) of reflectance, of one band or of red, green and blue, see `colour.coloured`."""
    return [
        Image.fromarray(np.rint(255 * image).astype(np.uint8)).convert("RGB")
        for image in coloured(images, bands, like, bands, kind)
    ]


def opacity_overlay(opacity: NDArray[np.float32], limit: int, name: str, threshold: float | None = None) -> Overlay:
    """Overlay of the opacity (h, w; 0 to 1): one colour with the opacity as alpha; the threshold is marked."""
    rgba = np.empty((*opacity.shape, 4), np.uint8)
    rgba[..., :3] = OPACITY_COLOUR
    rgba[..., 3] = np.rint(255 * _STRONGEST * np.clip(np.nan_to_num(opacity), 0, 1))
    colour = ",".join(map(str, OPACITY_COLOUR))
    return Overlay(
        "opacity",
        f"Opacity: {QUALITY_DESCRIPTIONS['opacity']}",
        picture(Image.fromarray(rgba), limit, f"Opacity of {name}: the stronger the colour, the more was replaced"),
        f"linear-gradient(90deg, rgba({colour},0), rgba({colour},{_STRONGEST}))",
        "0, kept",
        "1, replaced",
        mark=threshold,
    )


def uncertainty_overlay(uncertainty: NDArray[np.float32], limit: int, name: str) -> Overlay:
    """Overlay of the uncertainty (h, w; reflectance) by a colour map; without a picture if it is 0 everywhere."""
    values = np.nan_to_num(uncertainty)
    above = values[values > 0]
    if not above.size:
        missing = "0 everywhere: nothing was replaced, or the weights predict no errors"
        return Overlay("uncertainty", _UNCERTAINTY, None, "", "", "", missing)
    full = float(np.percentile(above, 99))
    colours = colormaps["viridis"]
    rgba = np.rint(255 * np.asarray(colours(np.clip(values / full, 0, 1)))).astype(np.uint8)
    rgba[..., 3] = np.where(values > 0, round(255 * _STRONGEST), 0)
    stops = ", ".join(to_hex(colours(step / 6)) for step in range(7))
    return Overlay(
        "uncertainty",
        _UNCERTAINTY,
        picture(Image.fromarray(rgba), limit, f"Uncertainty of {name}: from violet, little, to yellow, {full:.3g}"),
        f"linear-gradient(90deg, {stops})",
        "0",
        f"{full:.3g} reflectance",
    )


def source_overlay(quality: Quality, limit: int, name: str) -> Overlay:
    """Overlay of the source of replaced pixels."""
    shares = quality.shares
    if not shares:
        return Overlay("source", _SOURCE, None, "", "", "", "Observed everywhere: nothing was replaced")
    alt = f"Where the replaced pixels of {name} come from"
    entries = [
        ("rgb({} {} {})".format(*source_colour(code)), f"{quality.source_name(code)}, {percent(share)}")
        for code, share in shares.items()
    ]
    return Overlay("source", _SOURCE, picture(source_image(quality.source), limit, alt), "", "", "", entries=entries)


def source_image(source: NDArray[np.float32]) -> Image.Image:
    """The source (h, w) of replaced pixels in colours; observed pixels are transparent."""
    codes = np.nan_to_num(source).astype(int)
    rgba = np.zeros((*codes.shape, 4), np.uint8)
    for code in np.unique(codes[codes > 0]):
        rgba[codes == code] = (*source_colour(int(code)), 255)
    return Image.fromarray(rgba)


def _encodings(image: Image.Image) -> Iterator[bytes]:
    """Encodings of an image as WebP, in descending order of quality."""
    if image.width * image.height <= _EXACT:
        yield _webp(image, lossless=True)
    for quality in _QUALITIES:
        yield _webp(image, quality=quality)


def _webp(image: Image.Image, **options: bool | int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, "WEBP", method=1, **options)
    return stream.getvalue()
