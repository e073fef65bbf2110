"""Multitemporal cloud detection: where a scene agrees with the ground that other dates predict, and where it does not.

Ground changes little in the blue from date to date, and cloud is much brighter there, by which MAJA (Hagolle et al.
2010) and Tmask (Zhu and Woodcock 2014) detect cloud, too. Here a robust linear regression of the scene's bands on those
of a reference predicts the clear reflectance of each cell of the detector's grid. Cells that agree with it in the blue,
the red and the near infrared are clear, whatever the detector says; cells that are far brighter in the blue, and not
much more so in the red, as bared soil is, are cloud, unless they are snow by their short-wave infrared (NDSI, Hall et
al. 1995). Shadow is not detected like this: burnt and flooded land is as dark.

The regression has to be fitted while much of the scene, or some of the reference, may lie under undetected cloud.
Iteratively reweighted least squares, with Tukey's biweight, start from the half-sample mode (Bickel and Frühwirth 2006)
of the differences in the blue: of the darkest, as cloud only brightens; then of all. A relation is rejected if it
predicts much that is darker than anything in the scene, as where the darkest differences are cloud in the reference, or
if all of the infrared is darker than in the reference: that ground lies in shadow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from unclouded.detection.ramp import ramp
from unclouded.detection.snow_index import short_wave_band, snow_index

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

COMPARED_BANDS = ("B02", "B04", "B08")
"""Bands whose residuals count; further ones are regressors only."""

_SHADOW_INFRARED, _SHADOW_VISIBLE = ("B08", "B11", "B12"), ("B03", "B04", "B08")
"""Bands that are darker in shadow: those of the first that there are; the second if that is one alone."""

_DARKEST, _MIN_MODE_CELLS = (0.2, 1.0), 20
"""Shares of the cells, from the lowest difference in the blue on, whose mode is taken in turn, and cells at least."""

_DARKER, _TOO_DARK = 0.01, 0.05
"""Reflectance by which a prediction may be darker than the scene's darkest cells, and the share of such cells."""

_MIN_CELLS = 40
"""Cells that scene and reference both have to show."""

_TUKEY = np.array([4.685, 6.0])
"""Residual in the blue and in the near infrared, in sigmas, beyond which a cell has no weight."""

_ITERATIONS, _CLEAR_ITERATIONS = 10, 3
"""Of the reweighting, and the first of them, which use only cells that the detector calls clear."""

_RIDGE = 1e-4
"""Weight, in reflectance squared, of the prior that each band stays as it is."""

_SIGMA = (0.003, 0.05)
"""Limits of the robust standard deviation of residuals."""

_CLOUD_SIGMA, _CLEAR_SIGMA = (0.015, 0.03), (0.01, 0.02)
"""Sigma in the blue up to which a relation counts fully, and from which on not at all."""

_WORSE = 2.0
"""Sigma of a relation, at most, relative to that of the best."""

_SHADED = 0.8
"""Mean reflectance relative to the reference below which ground lies in shadow, if so in all bands."""

_OFFSET = 0.03
"""Mean difference in the blue between clear ground and the reference, at most; more is haze in either."""

_AGREEMENT = {"B02": (0.01, 2.0), "B04": (0.015, 2.0), "B08": (0.03, 1.5)}
"""Residual of clear ground, at most: in reflectance or in sigmas, whichever is larger."""

_DISAGREEMENT = 1.5
"""Multiple of `_AGREEMENT` from which on a cell is surely not clear."""

_BRIGHT = (0.03, 3.0)
"""Residual of cloud in the blue, likewise: cloud is as likely as not there, and certain at 4 / 3 of it."""

_SNOW = (0.3, 0.4)
"""NDSI from which on a cell may be snow, and from which on it is."""

_SOIL = (0.5, 0.7)
"""Ratio of the residuals in blue and red up to which a cell is bared soil, and from which on it is not."""


class Relation(NamedTuple):
    """Regression of a scene's bands on those of a reference.

    Attributes:
        coefficients: (D + 1, D) of the reference's bands and a constant, for each band of the scene.
        sigma: (D,) robust standard deviation of the residuals of clear cells.
        offset: absolute mean difference in the blue between prediction and reference.
    """

    coefficients: NDArray[np.float64]
    sigma: NDArray[np.float64]
    offset: float

    def residual(self, scene: Array, reference: Array) -> Array:
        """Scene less prediction, (D, ...), of the reflectance (D, ...) of both."""
        predicted = np.tensordot(self.coefficients[:-1].T, reference, 1)
        constant = self.coefficients[-1].reshape(-1, *(1,) * (scene.ndim - 1))
        return np.asarray(scene - predicted - constant, np.float32)


def fit_relation(scene: Array, reference: Array, clear: Mask, bands: Sequence[str]) -> Relation | None:
    """Fit the relation of a scene to a reference by cells that both show; None if there are too few, or none is found.

    Args:
        scene: (D, n) reflectance of cells, all finite.
        reference: (D, n) likewise, of the visible ground.
        clear: (n,) cells in which nothing was detected in the scene.
        bands: D names, `COMPARED_BANDS` among them.
    """
    count = scene.shape[1]
    if count < _MIN_CELLS:
        return None
    candidates = clear if clear.sum() >= max(_MIN_CELLS, 0.08 * count) else np.ones(count, np.bool_)
    blue = bands.index("B02")
    lowest = np.quantile(scene[blue], 0.01) - _DARKER
    for darkest in _DARKEST:
        relation = _reweighted(scene, reference, candidates, bands, darkest)
        if relation is not None:
            predicted = scene - relation.residual(scene, reference)
            if (predicted[blue] < lowest).mean() < _TOO_DARK and not _shaded(predicted, reference, bands):
                return relation
    return None


def _shaded(predicted: Array, reference: Array, bands: Sequence[str]) -> bool:
    """Whether the predicted ground is as dark as in shadow: by the infrared, since haze brightens visible bands."""
    infrared = [name for name in _SHADOW_INFRARED if name in bands]
    compared = [bands.index(name) for name in (infrared if len(infrared) > 1 else _SHADOW_VISIBLE)]
    return bool((predicted[compared].mean(axis=1) < _SHADED * reference[compared].mean(axis=1)).all())


def _reweighted(
    scene: Array, reference: Array, candidates: Mask, bands: Sequence[str], darkest: float
) -> Relation | None:
    """Fit a relation by reweighting from the mode of the darkest differences; None if too few cells keep weight."""
    blue, infrared = bands.index("B02"), bands.index("B08")
    difference = (scene[blue] - reference[blue]).astype(np.float64)
    mode = _mode(difference[candidates], darkest)
    weight = candidates * _biweight((difference - mode) / (5 * _sigma_about(mode, difference[candidates])))
    regressors = np.vstack([reference, np.ones((1, scene.shape[1]))]).astype(np.float64)
    responses = scene.astype(np.float64)
    prior = np.vstack([np.eye(len(bands)), np.zeros((1, len(bands)))])
    sigmas: NDArray[np.float64] = np.full(len(bands), _SIGMA[1])
    coefficients = prior
    for iteration in range(_ITERATIONS):
        weighted, total = regressors * weight, weight.sum()
        if total < _MIN_MODE_CELLS / 2:
            return None
        ridge = np.diag([_RIDGE * total] * len(bands) + [1e-9])
        solved = np.linalg.solve(weighted @ regressors.T + ridge, weighted @ responses.T + ridge @ prior)
        coefficients = np.asarray(solved, np.float64)
        residual = responses - coefficients.T @ regressors
        sigmas = _sigmas(residual, weight > 0.05, blue)
        scaled = np.maximum(*(abs(residual[[blue, infrared]]) / (_TUKEY * sigmas[[blue, infrared]])[:, None]))
        weight = _biweight(scaled) * (candidates if iteration < _CLEAR_ITERATIONS else 1)
    offset = abs(float(np.mean((coefficients.T @ regressors)[blue] - regressors[blue])))
    return Relation(coefficients, sigmas, offset)


def _mode(values: NDArray[np.float64], darkest: float) -> float:
    """Half-sample mode of the share `darkest` of the lowest values."""
    sample = np.sort(values)
    sample = sample[: max(_MIN_MODE_CELLS, int(len(sample) * darkest))]
    while len(sample) > 3:
        half = (len(sample) + 1) // 2
        first = int(np.argmin(sample[half - 1 :] - sample[: len(sample) - half + 1]))
        sample = sample[first : first + half]
    return float(sample.mean())


def _sigma_about(mode: float, values: NDArray[np.float64]) -> float:
    """Standard deviation of a cluster about its mode, by its lower side, or its core if another cluster lies there."""
    below = mode - values[values < mode]
    side = 1.4826 * np.median(below) if below.size else _SIGMA[0]
    core = np.quantile(abs(values - mode), 0.25) / 0.3186
    return float(np.clip(min(side, core), *_SIGMA))


def _biweight(scaled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Tukey's biweight of residuals in units of its cut-off."""
    return np.asarray(np.square(1 - np.square(np.minimum(abs(scaled), 1))), np.float64)


def _sigmas(residual: NDArray[np.float64], used: Mask, blue: int) -> NDArray[np.float64]:
    """Robust standard deviations by the median; in the blue of the negative residuals, since cloud is brighter."""
    sides = [-band[used & (band < 0)] if number == blue else abs(band[used]) for number, band in enumerate(residual)]
    sigmas = [1.4826 * np.median(side) if len(side) > 5 else _SIGMA[1] for side in sides]
    return np.asarray(np.clip(sigmas, *_SIGMA), np.float64)


class DatePair(NamedTuple):
    """A scene and a reference on the detector's grid.

    Attributes:
        scene: (D, h, w) reflectance, NaN where there is no data.
        reference: (D, h, w) likewise.
        visible: (h, w) where the reference shows the ground.
        relation: of the scene to the reference.
        bands: D names.
    """

    scene: Array
    reference: Array
    visible: Mask
    relation: Relation
    bands: Sequence[str]


def cloud_and_clear(dates: Sequence[DatePair]) -> tuple[Array, Array]:
    """Certainty of cloud and of clear ground, (h, w) each, 0 to 1, by the date that predicts a cell best."""
    smallest = np.full(dates[0].visible.shape, np.inf, np.float32)
    cloud, clear = np.zeros_like(smallest), np.zeros_like(smallest)
    sigmas = [date.relation.sigma[date.bands.index("B02")] for date in dates]
    limit = min(_CLOUD_SIGMA[1], _WORSE * min(sigmas))
    for scene, reference, visible, relation, bands in (
        date for date, s in zip(dates, sigmas, strict=True) if s <= limit
    ):
        compared = [bands.index(name) for name in COMPARED_BANDS]
        residual, sigma = relation.residual(scene, reference)[compared], relation.sigma[compared]
        limits = [max(least, times * s) for (least, times), s in zip(_AGREEMENT.values(), sigma, strict=True)]
        scaled = np.max(abs(residual) / np.asarray(limits, np.float32)[:, None, None], axis=0)
        better = visible & np.isfinite(scaled) & (scaled < smallest)
        bright = max(_BRIGHT[0], _BRIGHT[1] * sigma[0])
        brighter = np.clip((residual[0] / bright - 2 / 3) * 1.5, 0, 1) * _no_soil(residual[0], residual[1])
        brighter = brighter * (1 - _snow(scene, bands))
        agrees = np.clip((_DISAGREEMENT - scaled) / (_DISAGREEMENT - 1), 0, 1) * (relation.offset <= _OFFSET)
        smallest = np.where(better, scaled, smallest)
        cloud = np.where(better, _weight(sigma[0], _CLOUD_SIGMA) * brighter, cloud)
        clear = np.where(better, _weight(sigma[0], _CLEAR_SIGMA) * agrees, clear)
    return cloud.astype(np.float32), clear.astype(np.float32)


def _snow(scene: Array, bands: Sequence[str]) -> Array:
    """Certainty of snow (h, w), 0 to 1; 0 without short-wave infrared, since cloud is as bright otherwise."""
    infrared = short_wave_band(bands)
    if infrared is None or "B03" not in bands:
        return np.zeros_like(scene[0])
    return ramp(snow_index(scene[bands.index("B03")], scene[bands.index(infrared)]), *_SNOW)


def _no_soil(blue: Array, red: Array) -> Array:
    """Certainty, 0 to 1, that a cell with these residuals in blue and red is no bared soil."""
    ratio: Array = np.divide(blue, np.maximum(red, np.float32(1e-6)))
    return np.where(red > 0, ramp(ratio, *_SOIL), np.float32(1))


def _weight(sigma: float, limits: tuple[float, float]) -> float:
    """Weight of a relation by its sigma, 0 to 1."""
    low, high = limits
    return float(np.clip((high - sigma) / (high - low), 0, 1))
