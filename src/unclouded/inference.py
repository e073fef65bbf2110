"""What weights say of their use: for which images they are made, and how what the network gives is to be read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from unclouded.bands import LEVELS, NAMES

Detector = Literal["none", "csmask"]
"""Of scenes: none but the network's own opacity, or the networks of `detection.csmask` too."""

DETECTORS: tuple[Detector, ...] = get_args(Detector)


@dataclass(frozen=True, kw_only=True)
class InferenceConfig:
    """Of a network's weights, beside their values; the one place of the defaults.

    Attributes:
        bands: optical bands in the order of the network's channels.
        levels: processing levels it was trained on.
        unfit: of these, those on whose images its results were found to be of no use.
        threshold: opacity under which the input is kept, unless the user says otherwise; of a classifier: the
            probability from which a class is predicted.
        calibration: what expected errors and the spread over latent samples are multiplied by to be as large as the
            errors on real images.
        detector: what finds cloud and shadow beside the network, one of `DETECTORS`.
    """

    bands: tuple[str, ...] = NAMES
    levels: tuple[str, ...] = LEVELS
    unfit: tuple[str, ...] = ()
    threshold: float = 0.1
    calibration: float = 1.0
    detector: Detector = "none"
