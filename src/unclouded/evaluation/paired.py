"""Errors of a cleared image against a clear image of the same place: per image, then averaged."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from unclouded.errors import InputError

_WINDOW_RADIUS, _WINDOW_SIGMA = 5, 1.5
SSIM_SIDE = 2 * _WINDOW_RADIUS + 1
"""Side of the window of SSIM in pixels, and so of the smallest image."""

BEST = 60.0
"""Largest PSNR in dB for averages, which infinity would spoil."""

INDICES = {"ndvi": ("B08", "B04"), "ndwi": ("B03", "B08")}
"""Normalised difference indices whose error is computed, with their bands (Tucker 1979; McFeeters 1996)."""

REGIONS = ("all", "cloud", "shadow", "clear")
"""Regions of an image over which errors are computed separately."""


@dataclass(frozen=True)
class PairedErrors:
    """Errors of one image, or their mean over several.

    Attributes:
        psnr: peak signal-to-noise ratio in dB over all bands, peak 1.0; infinite without error.
        ssim: structural similarity, mean over all bands.
        angle: spectral angle in degrees, mean over the pixels.
        cloudy: mean absolute error on cloudy pixels in reflectance; NaN without any.
        elsewhere: the same on the other pixels.
    """

    psnr: float
    ssim: float
    angle: float
    cloudy: float
    elsewhere: float


def compare(predicted: ArrayLike, truth: ArrayLike, cloudy: NDArray[np.bool_]) -> PairedErrors:
    """Errors of one image against the truth.

    Args:
        predicted: (C, h, w) reflectance; clipped to [0, 1], as the truth is.
        truth: (C, h, w) reflectance.
        cloudy: (h, w) which pixels were cloudy in the input.

    Raises:
        InputError: the shapes do not fit each other.
    """
    x, y = (np.clip(np.asarray(image, np.float64), 0, 1) for image in (predicted, truth))
    if x.ndim != 3 or x.shape != y.shape or cloudy.shape != x.shape[1:]:
        raise InputError(
            f"images of {x.shape} and {y.shape} with a mask of {cloudy.shape} cannot be compared; give two images"
            " (bands, rows, columns) of one shape and a mask (rows, columns)."
        )
    error = np.abs(x - y).mean(axis=0)
    return PairedErrors(
        psnr=peak_signal_to_noise(x, y),
        ssim=structural_similarity(x, y),
        angle=spectral_angle(x, y),
        cloudy=float(error[cloudy].mean()) if cloudy.any() else math.nan,
        elsewhere=float(error[~cloudy].mean()) if not cloudy.all() else math.nan,
    )


def average(errors: Sequence[PairedErrors]) -> PairedErrors:
    """Mean of each error over the images where it is not NaN."""
    columns = [asdict(error) for error in errors]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Mean of empty slice", RuntimeWarning)
        return PairedErrors(**{name: float(np.nanmean([column[name] for column in columns])) for name in columns[0]})


def whole_scores(
    x: NDArray[np.float64], y: NDArray[np.float64], bands: Sequence[str], valid: NDArray[np.bool_]
) -> dict[str, float]:
    """Scores of an image (C, h, w) against the truth (C, h, w) over all `valid` pixels (h, w).

    Returns:
        `angle` (degrees, NaN if all pixels are 0); `ssim`, if the image is at least as large as its window; and the
        mean absolute error of those `INDICES` whose `bands` are present.
    """
    scores = {"angle": spectral_angle(x[:, valid][:, None], y[:, valid][:, None])}
    if min(valid.shape) >= SSIM_SIDE:
        scores["ssim"] = structural_similarity(x, y, valid)
    for name, pair in INDICES.items():
        if all(band in bands for band in pair):
            i, j = (bands.index(band) for band in pair)
            predicted, true = (normalised_difference(image[i, valid], image[j, valid]) for image in (x, y))
            scores[name] = float(np.abs(predicted - true).mean())
    return scores


def peak_signal_to_noise(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """PSNR in dB of (C, h, w) images in [0, 1], with the squared error averaged over all bands and pixels."""
    mean_square = float(np.square(x - y).mean())
    return -10 * math.log10(mean_square) if mean_square > 0 else math.inf


def finite_signal_to_noise(mean_square: float) -> float:
    """PSNR in dB for a mean squared error of reflectance, at most `BEST`."""
    return min(BEST, -10 * math.log10(mean_square)) if mean_square > 0 else BEST


def normalised_difference(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """(one - other) / (one + other) of two bands of one shape; 0 where both are 0."""
    total = one + other
    ratio: NDArray[np.float64] = np.divide(one - other, total, out=np.zeros_like(total), where=total > 0)
    return ratio


def structural_similarity(
    x: NDArray[np.float64], y: NDArray[np.float64], valid: NDArray[np.bool_] | None = None
) -> float:
    """SSIM of (C, h, w) images, data range 1, averaged over all bands (Wang et al. 2004).

    Gaussian window of 11 pixels with sigma 1.5. Only windows entirely inside the image, and inside `valid` (h, w),
    count; NaN if there is none.

    Raises:
        InputError: the image is smaller than one window.
    """
    if min(x.shape[-2:]) < SSIM_SIDE:
        raise InputError(
            f"an image of {x.shape[-2:]} pixels is too small for SSIM; it takes {SSIM_SIDE} by {SSIM_SIDE} or more."
        )
    if valid is not None:
        x, y = np.where(valid, x, 0), np.where(valid, y, 0)
    mean_x, mean_y = _window(x), _window(y)
    variance_x = _window(x * x) - mean_x**2
    variance_y = _window(y * y) - mean_y**2
    covariance = _window(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    similarity /= (mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2)
    if valid is not None:
        r = _WINDOW_RADIUS
        all_valid = ndimage.minimum_filter(valid, SSIM_SIDE)[r:-r, r:-r]
        similarity = similarity[:, all_valid]
    return float(similarity.mean()) if similarity.size else math.nan


def spectral_angle(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Mean angle in degrees between the spectra of (C, h, w) images (Kruse et al. 1993), without pixels that are 0."""
    lengths = np.linalg.norm(x, axis=0) * np.linalg.norm(y, axis=0)
    lit = lengths > 0
    if not lit.any():
        return math.nan
    cosine = (x * y).sum(axis=0)[lit] / lengths[lit]
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())


def _window(x: NDArray[np.float64]) -> NDArray[np.float64]:
    r = _WINDOW_RADIUS
    means: NDArray[np.float64] = ndimage.gaussian_filter(x, _WINDOW_SIGMA, radius=r, axes=(-2, -1))
    return means[..., r:-r, r:-r]
