"""Whether a mask of 0 to 3 can mean what it is taken for: held against the pixels that it lies on.

`benchmarks/mask_doubts.py` prints how often real masks are doubted, and how often those of other meanings.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from unclouded.detection.classes import CLEAR, SHADOW, THICK_CLOUD, THIN_CLOUD

_SOME = 0.001
"""Share of the pixels from which on a value is not there by its rim alone."""

_ENOUGH = 50
"""Pixels whose median tells how bright a class is."""

_DARK = {"L1C": 0.10, "L2A": 0.05}
"""Reflectance of blue below which cloud hardly is that fills an image: of 286 real days of L2A that are wholly covered
12 are, of 89 clear ones 78."""

_BRIGHT, _HALF = 0.2, 0.5
"""Cloud is brighter than the first. What is called clear is cloud if it is, and what is called cloud not half as
bright."""

_THINNER, _OUTSHINES = 0.75, 1.5
"""How bright thick cloud is at least beside thin cloud, and shadow at most beside clear ground."""


def doubt(values: NDArray[np.int32], visible: NDArray[np.float32] | None, level: str) -> str | None:
    """Say why a mask is hardly one of true and false, or of OmniCloudMask's classes; None if it may well be.

    Args:
        values: (n,) of it, 0 to 3, on pixels that hold data.
        visible: (n,) reflectance of these pixels in the shortest visible band; None if there is none.
        level: of the scene, "L1C" or "L2A".
    """
    if not values.size:
        return None
    counts = {kind: int((values == kind).sum()) for kind in (CLEAR, THICK_CLOUD, THIN_CLOUD, SHADOW)}
    told = {} if visible is None else {kind: visible[values == kind] for kind, n in counts.items() if n >= _ENOUGH}
    bright = {kind: float(np.median(pixels)) for kind, pixels in told.items()}
    clear, thick, thin, shadow = (bright.get(kind) for kind in counts)
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
