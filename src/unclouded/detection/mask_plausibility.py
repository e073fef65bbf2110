"""Whether the brightness of the pixels under a mask agrees with the meaning that was guessed for its values.

`benchmarks/mask_plausibility.py` prints how often masks are called implausible, guessed rightly and wrongly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unclouded.detection.classes import CLEAR, SHADOW, THICK_CLOUD, THIN_CLOUD

_SOME = 0.001
"""Share of the pixels from which on a value counts as present; fewer may be an artefact of the mask's edge."""

_ENOUGH = 50
"""Pixels that a class needs for a reliable median of its brightness."""

_DARK = {"L1C": 0.10, "L2A": 0.05}
"""Blue reflectance that a wholly overcast image is hardly below: of 286 real overcast days of L2A 12 are, of 89 clear
ones 78."""

_BRIGHT, _HALF = 0.2, 0.5
"""Cloud is brighter than the first. If class "clear" is too, and class "cloud" less than half as bright, the two are
exchanged."""

_THINNER, _OUTSHINES = 0.75, 1.5
"""Least ratio of the brightness of thick cloud to that of thin cloud, and greatest of shadow to clear ground."""

_CLOUD_OF_SCL, _GROUND_OF_SCL = (8, 9), (4, 5)
_OVER_GROUND = 1.2
"""Least ratio of the brightness of SCL's cloud to that of its plants and soil: of 15 real days that have both on 50
pixels it is 1.52 at least."""


def implausibility(values: NDArray[np.int32], visible: NDArray[np.float32] | None, level: str) -> str | None:
    """Say why a mask is hardly boolean (1 is covered), or of OmniCloudMask's classes; None if it may well be.

    Args:
        values: (n,) of the mask, 0 to 3, on pixels that hold data.
        visible: (n,) reflectance of these pixels in the visible band of the shortest wavelength; None without one.
        level: of the scene, "L1C" or "L2A".
    """
    if not values.size:
        return None
    counts = {kind: int((values == kind).sum()) for kind in (CLEAR, THICK_CLOUD, THIN_CLOUD, SHADOW)}
    large = [] if visible is None else [kind for kind, count in counts.items() if count >= _ENOUGH]
    brightness = {kind: float(np.median(visible[values == kind])) for kind in large if visible is not None}
    clear, thick, thin, shadow = (brightness.get(kind) for kind in counts)
    nothing_clear = counts[CLEAR] < _SOME * values.size
    if nothing_clear and counts[THIN_CLOUD] + counts[SHADOW] >= _SOME * values.size:
        if thick is not None and thick > max(_BRIGHT, thin or 0):
            return None  # overcast
        return "0 is nowhere where there are data, so that nothing would be clear; python-fmask's 0 is null, 1 clear"
    if visible is None:
        return None
    if thick is not None and nothing_clear and thick < _DARK[level]:
        return "1 is wherever there are data, which are as dark as clear ground, as in masks of what is valid or clear"
    if thick is not None and clear is not None and clear > _BRIGHT and thick < _HALF * clear:
        return "what is 1 is less than half as bright as what is 0, as in masks of what is clear"
    if thick is not None and thin is not None and thick < _THINNER * thin:
        return "what would be thick cloud, 1, is darker than thin cloud, 2; python-fmask's 1 is clear, and 2 cloud"
    if shadow is not None and clear is not None and shadow > _OUTSHINES * clear:
        return "what would be shadow, 3, outshines the clear ground, 0"
    return None


def implausibility_of_scl(values: NDArray[np.int32], visible: NDArray[np.float32]) -> str | None:
    """Say why a mask hardly holds the classes of SCL, but those of a map of the land, or per cent; None if it may well.

    Args:
        values: (n,) of the mask, 0 to 11, on pixels that hold data.
        visible: as of `implausibility`.
    """
    cloud, ground = (visible[np.isin(values, numbers)] for numbers in (_CLOUD_OF_SCL, _GROUND_OF_SCL))
    if min(cloud.size, ground.size) < _ENOUGH or np.median(cloud) >= _OVER_GROUND * np.median(ground):
        return None
    return "if they are SCL's, its cloud, 8 and 9, is no brighter than its plants and soil, 4 and 5"


def implausible_gaps(values: NDArray[np.int32], visible: NDArray[np.float32], gap: int) -> str | None:
    """Say that a mask covers nothing and has gaps where the scene is brightest, as images whose cloud was cut out.

    Args:
        values: (n,) of the mask, on pixels that hold data.
        visible: as of `implausibility`.
        gap: what stands in `values` where there is none.
    """
    there, missing = visible[values == CLEAR], visible[values == gap]
    if there.size + missing.size < values.size or min(there.size, missing.size) < _ENOUGH:
        return None
    bright = float(np.median(missing))
    if bright < _BRIGHT or bright * _HALF < np.median(there):
        return None
    return "covers nothing, and has no value (NaN or its no-data value) where the scene is twice as bright as elsewhere"
