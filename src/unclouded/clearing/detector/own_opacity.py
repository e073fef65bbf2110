"""What the generator itself takes for cover in a small scene, joined with what the detector's networks say.

Those networks live on wide surroundings, and a small scene has none: on chips of a few hundred metres they miss whole
clouds, and take whole fields for cloud. The generator, which learnt from such images, is right more often where nobody
has told it anything. Their answers are joined as independent evidence is, by log odds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, logit

from unclouded.models.generator import Generator

_DETECTOR, _GENERATOR, _BIAS = 0.35, 1.5, -0.3
"""Weights of the log odds, by logistic regression on chips and images of places left out, each counted alike; see
`benchmarks/small_scenes.py`, which prints them."""

_SIZES = 1000.0, 2000.0
"""Metres along a scene from which on the detector's networks find cover alone, in part and wholly."""

_SURE = 1e-3
"""Neither is believed to be surer than that."""

_KIND = 0.1
"""What cloud and shadow each count where the detector's networks see neither, so that cloud is more likely by far."""


@torch.inference_mode()
def own_opacity(
    generator: Generator, reflectance: NDArray[np.float32], bands: Sequence[str], level: str
) -> NDArray[np.float32]:
    """The opacity (h, w) that the generator sees in an image that is its own scene, told of no cover.

    Args:
        generator: on its device.
        reflectance: (C, h, w), NaN where there is no data; there the opacity is NaN, too.
        bands: the name of each.
        level: "L1C" or "L2A".
    """
    image = torch.from_numpy(reflectance)[None].to(generator.device)
    opacity: NDArray[np.float32] = generator(image, bands=bands, level=level).opacity[0, 0].cpu().numpy()
    return np.where(np.isfinite(reflectance).all(axis=0), opacity, np.float32(np.nan))


def join_opacity(likely: NDArray[np.float32], opacity: NDArray[np.float32], metres: float) -> NDArray[np.float32]:
    """Join the probabilities (2, h, w) of cloud and of shadow with the `opacity` (h, w) of either, NaN without data.

    What of the cover is shadow is left to the detector's networks.

    Args:
        likely: by the detector's networks.
        opacity: that the generator sees.
        metres: along the longer side of the scene.
    """
    either = likely.sum(axis=0)
    odds = _DETECTOR * _log_odds(either) + _GENERATOR * _log_odds(opacity) + _BIAS
    believed = np.clip((metres - _SIZES[0]) / (_SIZES[1] - _SIZES[0]), 0, 1)
    share = (likely + np.array([_KIND, 0.0], np.float32)[:, None, None]) / (either + _KIND)
    joined = np.asarray(share * np.maximum(expit(odds), believed * either), np.float32)
    return np.where(np.isfinite(opacity), joined, likely)


def _log_odds(probability: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(logit(np.clip(probability, _SURE, 1 - _SURE)), np.float32)
