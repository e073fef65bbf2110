"""Display of reflectance: composites, stretches and colours, for pictures, pages, maps and documentation alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from unclouded.reflectance import Encoding
from unclouded.sources import FIRST_REFERENCE, GUESSED

COMPOSITES: dict[str, tuple[tuple[str, ...], ...]] = {
    "natural": (("B04",), ("B03",), ("B02",)),
    "infrared": (("B08", "B8A"), ("B04",), ("B03",)),
    "shortwave": (("B12", "B11"), ("B8A", "B08"), ("B04",)),
}
"""Alternative bands for red, green and blue by name of the composite; the first present one is used."""

COMPOSITE_DESCRIPTIONS = {
    "natural": "natural colour",
    "infrared": "near infrared: vegetation is red",
    "shortwave": "short-wave infrared: vegetation is green, bare soil pink",
    "grey": "one band in grey",
}

QUALITY_DESCRIPTIONS = {
    "opacity": "how far pixels were replaced",
    "uncertainty": "the error in reflectance to expect",
    "source": "where replaced pixels come from",
}

StretchKind = Literal["scene", "bands", "fixed"]

STRETCH_DESCRIPTIONS: dict[StretchKind, str] = {
    "scene": "of this scene: true to colour",
    "bands": "of each band of this scene: strong contrast",
    "fixed": "0 to 0.3 reflectance: the same for every scene",
}

GLANCE = 900
"""Largest longer side in pixels of the image by which a stretch is fitted."""

_DARKEST, _BRIGHTEST = 1.0, 99.5
"""Percentiles of a scene that become nearly black and white."""

_EACH = (1.0, 99.0)
"""Percentiles that become black and white if each band is stretched separately."""

_DARK = 0.9
"""Reflectance of black as a share of the darkest percentile, so that L1C haze is removed but dark ground is not."""

_EXPONENT = 0.6
"""Exponent (gamma) of the stretch, below 1 since most land is dark."""

_NARROWEST = 0.12
"""Least reflectance between black and white, so that water stays dark and noise is not amplified."""

_FIXED = 0.3

OPACITY_COLOUR = (226, 0, 122)
"""Red, green and blue of the opacity overlay."""

SOURCE_COLOURS: tuple[tuple[int, int, int], ...] = (
    OPACITY_COLOUR,
    (0, 158, 178),
    (240, 138, 20),
    (124, 92, 214),
    (122, 160, 0),
    (30, 110, 220),
)
"""Red, green and blue of guessed pixels, then of the references in order, which repeat from the second colour on."""


@dataclass(frozen=True)
class Stretch:
    """Black and white point of each band; values between are mapped linearly, then raised to the power `exponent`."""

    black: tuple[float, ...]
    white: tuple[float, ...]
    exponent: float

    def colours(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Stretch bands (C, h, w) to [0, 1]: (h, w, 3) for three, (h, w) for one; 0 where not finite."""
        low, high = (np.asarray(end, np.float32)[:, None, None] for end in (self.black, self.white))
        shown = np.clip(np.nan_to_num((values - low) / (high - low)), 0, 1) ** np.float32(self.exponent)
        image: NDArray[np.float32] = shown[0] if len(shown) == 1 else np.moveaxis(shown, 0, -1)
        return image

    def of_dn(self, encoding: Encoding) -> Stretch:
        """The same stretch for DN in the `encoding` of these bands."""
        black, white = (
            tuple(value * encoding.scale - offset for value, offset in zip(end, encoding.offsets, strict=True))
            for end in (self.black, self.white)
        )
        return Stretch(black, white, self.exponent)


def composites_of(bands: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The composites for which an image has the bands, the default one first; else its first band in grey."""
    found = {}
    for name, choices in COMPOSITES.items():
        chosen = [next((band for band in choice if band in bands), None) for choice in choices]
        if None not in chosen:
            found[name] = tuple(band for band in chosen if band is not None)
    return found or {"grey": (bands[0],)}


def fit_stretch(reflectance: NDArray[np.float32], kind: StretchKind = "scene") -> Stretch:
    """Fit the stretch of displayed bands (C, h, w), NaN where there is no data.

    `scene` has one range for all bands, so that colours are true, but a black point for each, so that L1C and L2A look
    similar.
    """
    count = len(reflectance)
    values = [band[np.isfinite(band)] for band in reflectance]
    if kind == "fixed" or not all(band.size for band in values):
        return Stretch((0.0,) * count, (_FIXED,) * count, 1.0)
    if kind == "bands":
        ends = [tuple(float(end) for end in np.percentile(band, _EACH)) for band in values]
        white = tuple(high if high > low else low + _NARROWEST for low, high in ends)
        return Stretch(tuple(low for low, _ in ends), white, 1.0)
    black = tuple(_DARK * max(0.0, float(np.percentile(band, _DARKEST))) for band in values)
    brightest = [float(np.percentile(band, _BRIGHTEST)) - low for band, low in zip(values, black, strict=True)]
    span = max(_NARROWEST, *brightest)
    return Stretch(black, tuple(low + span for low in black), _EXPONENT)


def coloured(
    images: Sequence[NDArray[np.float32]],
    bands: Sequence[str],
    like: NDArray[np.float32],
    shown: Sequence[str] | None = None,
    kind: StretchKind = "scene",
) -> list[NDArray[np.float32]]:
    """Colour images (C, h, w) of reflectance by one stretch: (h, w, 3), or (h, w) in grey, in [0, 1].

    Args:
        images: to be coloured.
        bands: names of their C bands.
        like: the image (C, h, w) to which the stretch is fitted, of a scene the cleared one.
        shown: bands for red, green and blue, or one for grey; by default those of the default composite.
        kind: of the stretch.
    """
    names = list(bands)
    wanted = [names.index(band) for band in shown or next(iter(composites_of(bands).values()))]
    stretch = fit_stretch(like[wanted], kind)
    return [stretch.colours(image[wanted]) for image in images]


def source_colour(code: int) -> tuple[int, int, int]:
    """Red, green and blue for a `source`, see `unclouded.sources`."""
    references = len(SOURCE_COLOURS) - 1
    return SOURCE_COLOURS[0] if code <= GUESSED else SOURCE_COLOURS[1 + (code - FIRST_REFERENCE) % references]
