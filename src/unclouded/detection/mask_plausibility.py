"""Whether the brightness of the pixels under a mask agrees with the classes that were guessed for its values.

`benchmarks/mask_plausibility.py` prints how often masks are called implausible, with right and wrong guesses.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unclouded.detection.classes import CLEAR, SHADOW, THICK_CLOUD, THIN_CLOUD

_PRESENT = 0.001
"""Share of the pixels from which on a value counts as present; fewer may be an artefact of the mask's edge."""

_MIN_PIXELS = 50
"""Pixels that a class needs for a reliable median of its brightness."""

_DARK = {"L1C": 0.10, "L2A": 0.05}
"""Blue reflectance below which an overcast image hardly is: of 286 real overcast days of L2A 12 are, of 89 clear ones
78."""

_BRIGHT, _HALF = 0.2, 0.5
"""Cloud is brighter than the first. If class "clear" is too, and class "cloud" less than half as bright, they are
swapped."""

_THICK_TO_THIN, _SHADOW_TO_CLEAR = 0.75, 1.5
"""Ratio of the brightness of thick to thin cloud, at least, and of shadow to clear ground, at most."""

_CLOUD_OF_SCL, _GROUND_OF_SCL = (8, 9), (4, 5)
_CLOUD_TO_GROUND = 1.2
"""Ratio of the brightness of SCL's cloud to its vegetation and soil, at least: it is 1.52 or more on 15 real days with
50 pixels of both."""


def implausibility(values: NDArray[np.int32], visible: NDArray[np.float32] | None, level: str) -> str | None:
    """Say why a mask is hardly boolean (1 is covered), or of OmniCloudMask's classes; None if it is plausible.

    Args:
        values: (n,) of the mask, 0 to 3, on valid pixels.
        visible: (n,) their reflectance in the visible band of the shortest wavelength; None without one.
        level: of the scene, "L1C" or "L2A".
    """
    if not values.size:
        return None
    counts = {kind: int((values == kind).sum()) for kind in (CLEAR, THICK_CLOUD, THIN_CLOUD, SHADOW)}
    large = [] if visible is None else [kind for kind, count in counts.items() if count >= _MIN_PIXELS]
    brightness = {kind: float(np.median(visible[values == kind])) for kind in large if visible is not None}
    clear, thick, thin, shadow = (brightness.get(kind) for kind in counts)
    nothing_clear = counts[CLEAR] < _PRESENT * values.size
    if nothing_clear and counts[THIN_CLOUD] + counts[SHADOW] >= _PRESENT * values.size:
        if thick is not None and thick > max(_BRIGHT, thin or 0):
            return None  # overcast
        return "0 is nowhere where there are data, so that nothing would be clear; python-fmask's 0 is null, 1 clear"
    if visible is None:
        return None
    if thick is not None and nothing_clear and thick < _DARK[level]:
        return "1 is wherever there are data, which are as dark as clear ground, as in masks of what is valid or clear"
    if thick is not None and clear is not None and clear > _BRIGHT and thick < _HALF * clear:
        return "what is 1 is less than half as bright as what is 0, as in masks of what is clear"
    if thick is not None and thin is not None and thick < _THICK_TO_THIN * thin:
        return "what would be thick cloud, 1, is darker than thin cloud, 2; python-fmask's 1 is clear, and 2 cloud"
    if shadow is not None and clear is not None and shadow > _SHADOW_TO_CLEAR * clear:
        return "what would be shadow, 3, outshines the clear ground, 0"
    return None


def implausibility_of_scl(values: NDArray[np.int32], visible: NDArray[np.float32]) -> str | None:
    """Say why a mask hardly holds SCL's classes, but those of a land-cover map, or per cent; None if it is plausible.

    Args:
        values: (n,) of the mask, 0 to 11, on valid pixels.
        visible: see `implausibility`.
    """
    cloud, ground = (visible[np.isin(values, numbers)] for numbers in (_CLOUD_OF_SCL, _GROUND_OF_SCL))
    if min(cloud.size, ground.size) < _MIN_PIXELS or np.median(cloud) >= _CLOUD_TO_GROUND * np.median(ground):
        return None
    return "if they are SCL's, its cloud, 8 and 9, is no brighter than its plants and soil, 4 and 5"


def implausible_gaps(values: NDArray[np.int32], visible: NDArray[np.float32], gap: int) -> str | None:
    """Say that a mask covers nothing and has gaps where the scene is brightest, as where clouds were masked by no-data.

    Args:
        values: (n,) of the mask, on valid pixels.
        visible: see `implausibility`.
        gap: stands in `values` for no value.
    """
    clear, gaps = visible[values == CLEAR], visible[values == gap]
    if clear.size + gaps.size < values.size or min(clear.size, gaps.size) < _MIN_PIXELS:
        return None
    brightness = float(np.median(gaps))
    if brightness < _BRIGHT or brightness * _HALF < np.median(clear):
        return None
    return "covers nothing, and has no value (NaN or its no-data value) where the scene is twice as bright as elsewhere"
