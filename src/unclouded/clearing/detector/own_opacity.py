"""The generator's own opacity, joined with the probabilities of the detector's networks.

Those networks need wide surroundings, and a small scene has none: on scenes of a few hundred metres they miss whole
clouds, and call whole fields cloud. The generator, which was trained on such images, is right more often, even without
cover as input. The two are combined as independent evidence, by log odds. In a large scene, where the networks seldom
err, the generator's opacity counts only where the image is as bright as cloud.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unclouded.detection.csmask import coarsen
from unclouded.detection.filters import maximum_filter
from unclouded.detection.ramp import ramp
from unclouded.detection.snow_index import short_wave_band, snow_index
from unclouded.models.generator import Generator

_DETECTOR, _GENERATOR, _BIAS = (0.45, 0.7), 1.5, -0.3
"""Weights of the log odds: of the detector's networks in small and in large scenes, of the generator, and the constant.
They favour clear more than the coefficients of a logistic regression on images of many places do, which
`benchmarks/small_scenes.py` prints, so that clear images stay as they are."""

_SIZES = 1000.0, 2000.0
"""Longer side of a scene in metres up to which it is small, and from which on it is large and the networks suffice."""

_LITTLE_CLEAR = 0.1, 0.2
"""Clear share of a scene, by the generator, up to which the generator overestimates the opacity between clouds, and
from which on it does not."""

_SHIFT, _STEEPNESS = 1.2, 2.0
"""Shift of the generator's log odds in such scenes, and the factor on them."""

_SNOW = 0.55, 0.7
"""NDSI from which on cover may be snow, and from which on it is: that of clouds reaches
0.5."""

_MAY_BE_SNOW = (1000.0, 1200.0, 2000.0), (7.0, 0.5, 1.5)
"""Longer side of a scene in metres, and upper limits of the log odds of cover there, without short-wave infrared: low
enough that what the detector's networks, weighted by `_DETECTOR`, are certain of stays clear. Up to the first length
there is hardly a limit: the networks have too little surroundings to distinguish snow from cloud."""

_SAND = 0.85, 0.65
"""Ratio of blue to red below which cover may be sand or bare soil, and below which it is."""

_BRIGHT = 0.15, 0.25
"""Reflectance in the darkest visible band from which on a pixel may be cloud, and from which on it is as bright as
cloud. So are roofs, but they seldom fill enough of a pixel of 40 m."""

_COARSER = 2
"""Factor by which the detector's grid is coarsened for the generator in a large scene, which takes a quarter of the
time."""

_MIN_PROBABILITY = 1e-3
"""Least probability of cover, and of clear ground, in log odds."""

_CLOUD_PRIOR = 0.1
"""Added to the probability of cloud in the share of cloud and shadow, so that cover without a detection is cloud."""


@torch.inference_mode()
def own_opacity(
    generator: Generator, reflectance: NDArray[np.float32], bands: Sequence[str], level: str, metres: float
) -> NDArray[np.float32]:
    """The generator's opacity (h, w) of an image that is a whole scene, without cover as input.

    It is corrected in scenes with little clear ground. Odds of what may be snow or sand, which the generator mistakes
    for cloud, are at most even, and those of all cover are limited without short-wave infrared.

    Args:
        generator: on its device.
        reflectance: (C, h, w), NaN where there is no data; there the opacity is NaN, too.
        bands: the name of each; B02, B03 and B04 among them.
        level: "L1C" or "L2A".
        metres: along the longer side of the scene.
    """
    image = torch.from_numpy(reflectance)[None].to(generator.device)
    odds = _corrected_log_odds(generator.opacity(image, bands=bands, level=level)[0, 0].cpu().numpy())
    limited = np.minimum(odds, 0) + np.maximum(odds, 0) * _unlike_land(reflectance, bands)
    if short_wave_band(bands) is None:
        limited = np.minimum(limited, np.float32(np.interp(metres, *_MAY_BE_SNOW)))
    return _sigmoid(limited)


def bright_opacity(
    generator: Generator, reflectance: NDArray[np.float32], bands: Sequence[str], level: str
) -> NDArray[np.float32]:
    """The generator's opacity (h, w) of pixels as bright as cloud, 0 elsewhere and without data; see `own_opacity`.

    It is computed on a grid coarser by `_COARSER`. Without short-wave infrared the generator cannot distinguish snow,
    which the detector's networks recognise by its surroundings, so that its opacity is not used.
    """
    darkest = reflectance[[bands.index(name) for name in ("B02", "B03", "B04")]].min(axis=0)
    bright = np.nan_to_num(ramp(darkest, *_BRIGHT))
    if not bright.any() or short_wave_band(bands) is None:
        return np.zeros_like(darkest)
    opacity = np.nan_to_num(own_opacity(generator, coarsen(reflectance, _COARSER), bands, level, np.inf))
    # Bright rims, of which a coarse pixel holds only a part, take the opacity of their cloud.
    dilated = maximum_filter(torch.from_numpy(opacity)[None, None], 1)[0, 0].numpy()
    height, width = darkest.shape
    return np.asarray(bright * dilated.repeat(_COARSER, 0).repeat(_COARSER, 1)[:height, :width], np.float32)


def _corrected_log_odds(opacity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log odds of the generator's opacity (h, w), NaN without data, corrected if it leaves little ground clear."""
    finite = opacity[np.isfinite(opacity)]
    little = 1 - float(ramp(np.array(1 - finite.mean(), np.float32), *_LITTLE_CLEAR)) if finite.size else 0.0
    return (1 + (_STEEPNESS - 1) * little) * (_log_odds(opacity) - np.float32(_SHIFT * little))


def _unlike_land(reflectance: NDArray[np.float32], bands: Sequence[str]) -> NDArray[np.float32]:
    """Certainty that bright pixels are neither snow nor sand, (h, w), 0 to 1; NaN without data."""
    blue, green, red = (reflectance[bands.index(name)] for name in ("B02", "B03", "B04"))
    unlike: NDArray[np.float32] = ramp(blue / np.maximum(red, 1e-3), *_SAND[::-1])
    if short := short_wave_band(bands):
        unlike = unlike * (1 - ramp(snow_index(green, reflectance[bands.index(short)]), *_SNOW))
    return unlike


def join_opacity(likely: NDArray[np.float32], opacity: NDArray[np.float32], metres: float) -> NDArray[np.float32]:
    """Join the probabilities of the detector's networks with the generator's opacity, (2, h, w).

    The networks alone decide which part of the cover is shadow.

    Args:
        likely: (2, h, w) probabilities of cloud and of shadow by the networks.
        opacity: (h, w) of the generator; where it is NaN the networks alone count.
        metres: along the longer side of the scene.
    """
    either, large = likely.sum(axis=0), detector_suffices(metres)
    weight = _DETECTOR[0] + (_DETECTOR[1] - _DETECTOR[0]) * large
    odds = weight * _log_odds(either) + _GENERATOR * _log_odds(opacity) + _BIAS
    share = (likely + np.array([_CLOUD_PRIOR, 0.0], np.float32)[:, None, None]) / (either + _CLOUD_PRIOR)
    joined = np.asarray(share * np.maximum(_sigmoid(odds), large * either), np.float32)
    return np.where(np.isfinite(opacity), joined, likely)


def detector_suffices(metres: float) -> float:
    """Weight, 0 to 1, of the detector's networks alone in a scene with a longer side of `metres`."""
    return float(ramp(np.array(metres, np.float32), *_SIZES))


def _log_odds(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    clipped = np.clip(probability, _MIN_PROBABILITY, 1 - _MIN_PROBABILITY)
    return np.asarray(np.log(clipped / (1 - clipped)), np.float32)


def _sigmoid(odds: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-odds)), np.float32)
