"""Baselines without a model: filling of the masked pixels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage


def mean_fill(reflectance: NDArray[np.float32], cloudy: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Set the cloudy pixels of each band to the mean of its other pixels.

    Args:
        reflectance: (C, h, w).
        cloudy: (h, w); if all pixels are cloudy, the image is returned unchanged.
    """
    if cloudy.all():
        return reflectance.copy()
    means = reflectance[:, ~cloudy].mean(axis=1, dtype=np.float64).astype(np.float32)
    return np.where(cloudy, means[:, None, None], reflectance)


def smooth_fill(reflectance: NDArray[np.float32], cloudy: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Fill the cloudy pixels smoothly from the clear ones around them.

    Normalised convolution with Gaussian windows: starting from the mean of the image, from wide to narrow windows, the
    mean of the clear pixels in a window replaces the value so far in proportion to their share.

    Args:
        reflectance: (C, h, w).
        cloudy: (h, w); if all pixels are cloudy, the image is returned unchanged.
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
