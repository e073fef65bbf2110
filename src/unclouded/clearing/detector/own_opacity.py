"""What the generator itself takes for cover, joined with what the detector's networks say.

Those networks live on wide surroundings, and a small scene has none: on chips of a few hundred metres they miss whole
clouds, and take whole fields for cloud. The generator, which learnt from such images, is right more often where nobody
has told it anything. Their answers are joined as independent evidence is, by log odds. Of a large scene, where they
seldom err, it is asked about what is as bright as cloud alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from unclouded.detection.csmask import coarsen
from unclouded.detection.filters import maximum_filter
from unclouded.models.generator import Generator

_DETECTOR, _GENERATOR, _BIAS = (0.45, 0.7), 1.5, -0.3
"""Weights of the log odds. They believe clear more readily than those that logistic regression gives, on chips and
images of many places (`benchmarks/small_scenes.py` prints them), so that clear images stay; those of the detector's
networks by the size of the scene."""

_SIZES = 1000.0, 2000.0
"""Metres along a scene up to which the first of these weights holds, and from which on the second does; in between the
networks begin to find cover by themselves, too."""

_LITTLE_CLEAR = 0.1, 0.2
"""Clear share of a scene, by the generator, up to which what lies between clouds is taken for cover too readily, so
that even odds lie higher and are passed in a steeper way, and from which on it is not."""

_HIGHER, _STEEPER = 1.2, 2.0
"""Log odds of the generator that are even then, and how many times as steeply they count."""

_SHORT_WAVE = "B11", "B12"
"""The bands that tell cloud from snow."""

_SNOW = 0.55, 0.7
"""Normalised difference of green and short-wave infrared from which on cover may be snow, and is nothing else: that of
clouds goes up to 0.5."""

_MAY_BE_SNOW = (1000.0, 1200.0, 2000.0), (7.0, 0.5, 1.5)
"""Metres along a scene, and the log odds of cover, at most, where the bands do not tell it from snow: so many that what
the detector's networks are sure of stays clear, as `_DETECTOR` weighs them. Up to the first length all of it counts:
there the networks have too little around to know snow or cloud by."""

_SAND = 0.85, 0.65
"""Blue in reds under which cover may be sand or bare soil, and is nothing else."""

_BRIGHT = 0.15, 0.25
"""Reflectance in the darkest of the visible bands from which on a pixel may be cloud, and from which on it is as bright
as clouds are. Roofs are, too, and of a pixel of 40 m they seldom fill enough."""

_COARSER = 2
"""Pixels of the detector's grid along one that the generator sees of a large scene: a quarter of the time."""

_SURE = 1e-3
"""Neither is believed to be surer than that."""

_KIND = 0.1
"""What cloud and shadow each count where the detector's networks see neither, so that cloud is more likely by far."""


@torch.inference_mode()
def own_opacity(
    generator: Generator, reflectance: NDArray[np.float32], bands: Sequence[str], level: str, metres: float
) -> NDArray[np.float32]:
    """The opacity (h, w) that the generator sees in an image that is its own scene, told of no cover.

    Corrected where it sees little else. Snow and sand, which it takes for cloud, count for no more than even odds, and
    all cover for little more where the bands do not tell it from snow.

    Args:
        generator: on its device.
        reflectance: (C, h, w), NaN where there is no data; there the opacity is NaN, too.
        bands: the name of each; B02, B03 and B04 among them.
        level: "L1C" or "L2A".
        metres: along the longer side of the scene.
    """
    image = torch.from_numpy(reflectance)[None].to(generator.device)
    odds = _held_against_the_rest(generator.opacity(image, bands=bands, level=level)[0, 0].cpu().numpy())
    doubted = np.minimum(odds, 0) + np.maximum(odds, 0) * _unlike_land(reflectance, bands)
    if not any(name in bands for name in _SHORT_WAVE):
        doubted = np.minimum(doubted, np.float32(np.interp(metres, *_MAY_BE_SNOW)))
    return _sigmoid(doubted)


def bright_opacity(
    generator: Generator, reflectance: NDArray[np.float32], bands: Sequence[str], level: str
) -> NDArray[np.float32]:
    """The opacity (h, w) of what is as bright as cloud, 0 elsewhere and without data; arguments as of `own_opacity`.

    The generator gets pixels of twice the size. Without short-wave infrared it cannot tell snow, which the detector's
    networks recognise by its surroundings, so its opacity is not used there.
    """
    darkest = reflectance[[bands.index(name) for name in ("B02", "B03", "B04")]].min(axis=0)
    bright = np.nan_to_num(_ramp(darkest, *_BRIGHT))
    if not bright.any() or not any(name in bands for name in _SHORT_WAVE):
        return np.zeros_like(darkest)
    opacity = np.nan_to_num(own_opacity(generator, coarsen(reflectance, _COARSER), bands, level, np.inf))
    # Rims, of which such a pixel holds a part, are as their cloud is, as far as they are bright.
    widened = maximum_filter(torch.from_numpy(opacity)[None, None], 1)[0, 0].numpy()
    height, width = darkest.shape
    return np.asarray(bright * widened.repeat(_COARSER, 0).repeat(_COARSER, 1)[:height, :width], np.float32)


def _held_against_the_rest(opacity: NDArray[np.float32]) -> NDArray[np.float32]:
    """Log odds of cover by the opacity (h, w) that the generator sees, NaN without data, and by how much it leaves."""
    finite = opacity[np.isfinite(opacity)]
    little = 1 - float(_ramp(np.float32(1 - finite.mean()), *_LITTLE_CLEAR)) if finite.size else 0.0
    return (1 + (_STEEPER - 1) * little) * (_log_odds(opacity) - np.float32(_HIGHER * little))


def _unlike_land(reflectance: NDArray[np.float32], bands: Sequence[str]) -> NDArray[np.float32]:
    """How surely bright pixels are no snow and no sand, (h, w), 0 to 1; NaN without data."""
    blue, green, red = (reflectance[bands.index(name)] for name in ("B02", "B03", "B04"))
    unlike = _ramp(blue / np.maximum(red, 1e-3), *_SAND[::-1])
    short = next((reflectance[bands.index(name)] for name in _SHORT_WAVE if name in bands), None)
    if short is not None:
        unlike = unlike * (1 - _ramp((green - short) / np.maximum(green + short, 1e-3), *_SNOW))
    return unlike


def join_opacity(likely: NDArray[np.float32], opacity: NDArray[np.float32], metres: float) -> NDArray[np.float32]:
    """Join the probabilities (2, h, w) of cloud and of shadow with the `opacity` (h, w) of either, NaN without data.

    What of the cover is shadow is left to the detector's networks.

    Args:
        likely: by the detector's networks.
        opacity: that the generator sees.
        metres: along the longer side of the scene.
    """
    either, believed = likely.sum(axis=0), counts_by_itself(metres)
    weight = _DETECTOR[0] + (_DETECTOR[1] - _DETECTOR[0]) * believed
    odds = weight * _log_odds(either) + _GENERATOR * _log_odds(opacity) + _BIAS
    share = (likely + np.array([_KIND, 0.0], np.float32)[:, None, None]) / (either + _KIND)
    joined = np.asarray(share * np.maximum(_sigmoid(odds), believed * either), np.float32)
    return np.where(np.isfinite(opacity), joined, likely)


def counts_by_itself(metres: float) -> float:
    """How far the detector's answer counts by itself in a scene of so many metres along its longer side, 0 to 1."""
    return float(_ramp(np.float32(metres), *_SIZES))


def _ramp(x: NDArray[np.float32] | np.float32, low: float, high: float) -> NDArray[np.float32]:
    return np.asarray(np.clip((x - low) / (high - low), 0, 1), np.float32)


def _log_odds(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    held = np.clip(probability, _SURE, 1 - _SURE)
    return np.asarray(np.log(held / (1 - held)), np.float32)


def _sigmoid(odds: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    return np.asarray(1 / (1 + np.exp(-odds)), np.float32)
