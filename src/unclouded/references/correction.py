"""Ground of other dates drawn towards what little the scene shows of its own, and what that says of the error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Mask = NDArray[np.bool_]

_GROSS = 6.0
"""Expected errors from which on a pixel that is called clear shows no ground that the dates know."""
_SHIFT, _SHAPE = 3.0, 10.0
"""Strength of the prior, in samples: of the level of the bands, and of the relation of their variation."""
_OWN = 0.02
"""Of the predictors' variance that counts as a band's own."""
_SURE = 150.0
"""Samples of the scene from which on what they say of the error counts more than what the dates say: they lie close."""
_RATIO = (0.3, 3.0)
_FLOOR = np.float32(1e-4)
_FAR = 4.0


@dataclass(frozen=True)
class Correction:
    """A ridge regression of the scene's departures on the spectrum, with none as its prior: few samples change little.

    Attributes:
        centre, deviation: (C,) of the spectra.
        coefficients: (1 + C, C), the intercept first.
        known: samples that it is fitted to, as far as they count.
        factor: by which the error to expect is multiplied.
    """

    centre: Float32
    deviation: Float32
    coefficients: Float32
    known: float
    factor: float

    @classmethod
    def fit(
        cls,
        ground: Float32,
        truth: Float32,
        visible: Float32,
        expected: Float32,
        predicted_bands: Mask,
        everywhere: Float32,
    ) -> Correction:
        """Fit to samples that the scene shows clear; there may be none.

        Args:
            ground: (C, n) of other dates.
            truth: (C, n) what the scene shows.
            visible: (n,) how far other dates show them, 0 to 1.
            expected: (n,) error to expect of the ground, mean over the bands.
            predicted_bands: (C,) bands that other dates have.
            everywhere: (C, m) ground of other dates, of the whole scene.
        """
        centre, deviation = everywhere.mean(axis=1), everywhere.std(axis=1) + _FLOOR
        made = cls(centre, deviation, np.zeros((1 + len(ground), len(ground)), np.float32), 0.0, 1.0)
        departs = truth - ground
        size = abs(departs[predicted_bands]).mean(axis=0)
        # What is cloud yet departs too far to be land that changed (Tukey's biweight).
        weight = np.square(np.maximum(1 - np.square(size / (_GROSS * np.maximum(expected, _FLOOR))), 0)) * visible
        known = float(weight.sum())
        if known < 1:
            return made
        z, spectra = (made._predictors(image).astype(np.float64) for image in (ground, everywhere))
        prior = _SHAPE * (spectra @ spectra.T / spectra.shape[1] + _OWN * np.eye(len(spectra)))
        prior[0], prior[:, 0] = 0, 0
        prior[0, 0] = _SHIFT
        inverse = np.linalg.inv((z * weight) @ z.T + prior)
        coefficients = inverse @ ((z * weight) @ departs.T)
        coefficients[:, ~predicted_bands] = 0
        # Each left out of its own regression; neighbours are alike, so that this is least.
        leverage = np.minimum(np.einsum("dn,de,en->n", z, inverse, z) * weight, 0.9)
        left = abs((departs - coefficients.T @ z)[predicted_bands]).mean(axis=0) / (1 - leverage)
        ratio = float((left * weight).sum() / max(float((expected * weight).sum()), 1e-6))
        factor = np.exp(known / (known + _SURE) * np.log(np.clip(ratio, *_RATIO)))
        return cls(centre, deviation, coefficients.astype(np.float32), known, float(factor))

    def __call__(self, ground: Float32) -> Float32:
        """The ground (C, n) corrected."""
        made: Float32 = ground + self.coefficients.T @ self._predictors(ground)
        return made

    def _predictors(self, ground: Float32) -> Float32:
        standard = np.clip((ground - self.centre[:, None]) / self.deviation[:, None], -_FAR, _FAR)
        return np.concatenate([np.ones((1, ground.shape[1]), np.float32), standard])
