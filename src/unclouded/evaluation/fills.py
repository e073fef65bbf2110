"""What anyone can do with a cloud mask and no model: the baselines that a model must beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def mean_fill(reflectance: NDArray[np.float32], cloudy: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Set the cloudy pixels of each band to the mean of its other pixels.

    Args:
        reflectance: (C, h, w).
        cloudy: (h, w). A wholly cloudy image is left as it is.
    """
    if cloudy.all():
        return reflectance.copy()
    means = reflectance[:, ~cloudy].mean(axis=1, dtype=np.float64).astype(np.float32)
    return np.where(cloudy, means[:, None, None], reflectance)


def smooth_fill(reflectance: NDArray[np.float32], cloudy: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Fill the cloudy pixels smoothly from the clear ones around them.

    A Gaussian mean of the clear pixels, weighted by how much of the window they are, is laid over that of a window
    twice as wide, and so on outwards up to the mean of the whole image.

    Args:
        reflectance: (C, h, w).
        cloudy: (h, w). A wholly cloudy image is left as it is.
    """
    filled = mean_fill(reflectance, cloudy)
    if cloudy.all():
        return filled
    clear = (~cloudy).astype(np.float32)
    scale = 2.0 ** np.floor(np.log2(max(cloudy.shape)))
    while scale >= 1:
        share = ndimage.gaussian_filter(clear, scale, mode="constant")
        around = ndimage.gaussian_filter(reflectance * clear, (0, scale, scale), mode="constant")
        filled = around + (1 - share) * filled
        scale /= 2
    return np.where(cloudy, filled, reflectance)
