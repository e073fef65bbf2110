"""Cloud by other dates of the place: where a scene is what they say of its ground, and where it outshines that.

Ground changes little in the blue from date to date, and cloud is much brighter there; so do MAJA (Hagolle et al. 2010)
and Tmask (Zhu and Woodcock 2014) tell cloud by time. Here a robust linear relation between the bands of a reference and
of the scene says what each cell of the detector's grid would be if it were clear. What agrees with it in the blue, the
red and the near infrared is clear, whatever a detector makes of its look; what is far brighter in the blue, and not
much more so in the red, as soil is that was laid open, is cloud, but for snow, which the short-wave infrared tells
(NDSI, Hall et al. 1995). Shadow is not told so: burnt and flooded land is as dark.

The relation must be found while much of the scene may be under cloud that no detector saw, or some of the reference.
Iteratively reweighted least squares, with Tukey's biweight, start from the densest differences in the blue, by their
half-sample mode (Bickel and Frühwirth 2006): among the darkest, as cloud only brightens; then among all. No relation is
believed by which much would be darker than anything in the scene, as where the darkest are cloud in the reference, nor
one by which all of the infrared is darker than in the reference: that ground lies in shadow.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Mask = NDArray[np.bool_]

TELLING = ("B02", "B04", "B08")
"""Bands that are compared; further ones help to foresee them."""

INFRARED, VISIBLE_AND_NIR = ("B08", "B11", "B12"), ("B03", "B04", "B08")
"""Bands by which shadow is told: the first as far as they are there; the second where that is one."""

_DARKEST, _LEAST = (0.2, 1.0), 20
"""Shares of the cells, from the darkest difference in the blue on, in which a mode is looked for, and least of them."""

_DARKER, _TOO_DARK = 0.01, 0.05
"""Reflectance by which ground may be foreseen darker than any of the scene's, and the share of cells that may be so."""

_CELLS = 40
"""Cells that scene and reference have to show both."""

_TUKEY = np.array([4.685, 6.0])
"""Spreads, in the blue and in the near infrared, beyond which a cell has no weight."""

_STEPS, _NARROW = 10, 3
"""Of the reweighting, and how many of them are of cells that the detector takes for clear alone."""

_RIDGE = 1e-4
"""Weight, in reflectance squared, of a relation that leaves each band as it is."""

_SPREAD = (0.003, 0.05)
"""Limits of the spread of what is left over."""

_TELLS_CLOUD, _TELLS_CLEAR = (0.015, 0.03), (0.01, 0.02)
"""Spread in the blue up to which a relation is believed wholly, and from which on not at all."""

_WORSE = 2.0
"""How many times the spread of the best relation another may have beside it."""

_SHADED = 0.8
"""Of the reference, on average: what ground in shadow is less than in all of these bands."""

_OFFSET = 0.03
"""Reflectance in the blue by which clear ground may differ from the reference on average; more is haze in either."""

_ALIKE = {"B02": (0.01, 2.0), "B04": (0.015, 2.0), "B08": (0.03, 1.5)}
"""How far clear ground may depart from what is foreseen: reflectance or so many spreads, whichever is more."""

_UNLIKE = 1.5
"""How many times as far it is certainly not alike."""

_BRIGHT = (0.03, 3.0)
"""How far cloud outshines what is foreseen in the blue, likewise: as likely as not there, surely at 4 / 3 of it."""

_SNOW = (0.3, 0.4)
"""Normalised difference of green and short-wave infrared from which on it may be snow, and from which on it is."""

_FLAT = (0.5, 0.7)
"""What brightens in the blue so much of what it does in the red is soil laid open; what does so much is none."""


class Relation(NamedTuple):
    """What a scene is by a reference.

    Attributes:
        coefficients: (D + 1, D) of the reference's bands and a constant, for each of the scene's.
        spread: (D,) of what is left over in clear cells, as a standard deviation.
        offset: how far the scene is foreseen brighter or darker in the blue than the reference, on average.
    """

    coefficients: NDArray[np.float64]
    spread: NDArray[np.float64]
    offset: float

    def residual(self, scene: Array, reference: Array) -> Array:
        """What is left over (D, ...) of a scene, both (D, ...)."""
        foreseen = np.tensordot(self.coefficients[:-1].T, reference, 1)
        constant = self.coefficients[-1].reshape(-1, *(1,) * (scene.ndim - 1))
        return np.asarray(scene - foreseen - constant, np.float32)


def relate(scene: Array, reference: Array, clear: Mask, bands: Sequence[str]) -> Relation | None:
    """Find the relation of a scene to a reference by cells that both show; None if these are too few.

    Args:
        scene: (D, n) reflectance of cells, all finite.
        reference: (D, n) likewise, which shows the ground.
        clear: (n,) cells that nothing is known to hide in the scene.
        bands: D names, `TELLING` among them.
    """
    count = scene.shape[1]
    if count < _CELLS:
        return None
    among = clear if clear.sum() >= max(_CELLS, 0.08 * count) else np.ones(count, np.bool_)
    blue = bands.index("B02")
    least = np.quantile(scene[blue], 0.01) - _DARKER
    for darkest in _DARKEST:
        relation = _reweighted(scene, reference, among, bands, darkest)
        if relation is not None:
            foreseen = scene - relation.residual(scene, reference)
            if (foreseen[blue] < least).mean() < _TOO_DARK and not _shaded(foreseen, reference, bands):
                return relation
    return None


def _shaded(foreseen: Array, reference: Array, bands: Sequence[str]) -> bool:
    """Tell whether ground is foreseen as dark as in shadow; what lies in haze as well is so in the infrared alone."""
    infrared = [name for name in INFRARED if name in bands]
    told = [bands.index(name) for name in (infrared if len(infrared) > 1 else VISIBLE_AND_NIR)]
    return bool((foreseen[told].mean(axis=1) < _SHADED * reference[told].mean(axis=1)).all())


def _reweighted(scene: Array, reference: Array, among: Mask, bands: Sequence[str], darkest: float) -> Relation | None:
    """The relation that starts from the mode of the darkest differences; None if it loses its cells."""
    blue, infrared = bands.index("B02"), bands.index("B08")
    differs = (scene[blue] - reference[blue]).astype(np.float64)
    centre = _mode(differs[among], darkest)
    weight = among * _biweight((differs - centre) / (5 * _spread_about(centre, differs[among])))
    terms = np.vstack([reference, np.ones((1, scene.shape[1]))]).astype(np.float64)
    answers = scene.astype(np.float64)
    prior = np.vstack([np.eye(len(bands)), np.zeros((1, len(bands)))])
    spreads: NDArray[np.float64] = np.full(len(bands), _SPREAD[1])
    coefficients = prior
    for step in range(_STEPS):
        weighted, total = terms * weight, weight.sum()
        if total < _LEAST / 2:
            return None
        ridge = np.diag([_RIDGE * total] * len(bands) + [1e-9])
        solved = np.linalg.solve(weighted @ terms.T + ridge, weighted @ answers.T + ridge @ prior)
        coefficients = np.asarray(solved, np.float64)
        left = answers - coefficients.T @ terms
        spreads = _spreads(left, weight > 0.05, blue)
        far = np.maximum(*(abs(left[[blue, infrared]]) / (_TUKEY * spreads[[blue, infrared]])[:, None]))
        weight = _biweight(far) * (among if step < _NARROW else 1)
    offset = abs(float(np.mean((coefficients.T @ terms)[blue] - terms[blue])))
    return Relation(coefficients, spreads, offset)


def _mode(values: NDArray[np.float64], darkest: float) -> float:
    """Half-sample mode of a share of the values, from the smallest on."""
    held = np.sort(values)
    held = held[: max(_LEAST, int(len(held) * darkest))]
    while len(held) > 3:
        half = (len(held) + 1) // 2
        first = int(np.argmin(held[half - 1 :] - held[: len(held) - half + 1]))
        held = held[first : first + half]
    return float(held.mean())


def _spread_about(centre: float, values: NDArray[np.float64]) -> float:
    """Standard deviation of a cluster about its mode, by its darker side, or its core where that holds another one."""
    below = centre - values[values < centre]
    side = 1.4826 * np.median(below) if below.size else _SPREAD[0]
    core = np.quantile(abs(values - centre), 0.25) / 0.3186
    return float(np.clip(min(side, core), *_SPREAD))


def _biweight(far: NDArray[np.float64]) -> NDArray[np.float64]:
    """Tukey's weight of what lies so far off, 1 being where it ends."""
    return np.asarray(np.square(1 - np.square(np.minimum(abs(far), 1))), np.float64)


def _spreads(left: NDArray[np.float64], held: Mask, blue: int) -> NDArray[np.float64]:
    """Spread of what is left over by the median; in the blue of what is darker, since cloud is brighter."""
    sides = [-band[held & (band < 0)] if number == blue else abs(band[held]) for number, band in enumerate(left)]
    found = [1.4826 * np.median(side) if len(side) > 5 else _SPREAD[1] for side in sides]
    return np.asarray(np.clip(found, *_SPREAD), np.float64)


class Compared(NamedTuple):
    """A scene beside a reference on the detector's grid.

    Attributes:
        scene: (D, h, w) reflectance, NaN where there is no data.
        reference: (D, h, w) likewise.
        shown: (h, w) where it shows the ground.
        relation: of the two.
        bands: D names.
    """

    scene: Array
    reference: Array
    shown: Mask
    relation: Relation
    bands: Sequence[str]


def judge(dates: Sequence[Compared]) -> tuple[Array, Array]:
    """How surely cells are cloud, and how surely clear, by the date that foresees each best: (h, w) each, 0 to 1."""
    nearest = np.full(dates[0].shown.shape, np.inf, np.float32)
    cloud, clear = np.zeros_like(nearest), np.zeros_like(nearest)
    spreads = [date.relation.spread[date.bands.index("B02")] for date in dates]
    most = min(_TELLS_CLOUD[1], _WORSE * min(spreads))
    for scene, reference, shown, relation, bands in (date for date, s in zip(dates, spreads, strict=True) if s <= most):
        compared = [bands.index(name) for name in TELLING]
        left, spread = relation.residual(scene, reference)[compared], relation.spread[compared]
        limits = [max(least, times * s) for (least, times), s in zip(_ALIKE.values(), spread, strict=True)]
        far = np.max(abs(left) / np.asarray(limits, np.float32)[:, None, None], axis=0)
        better = shown & np.isfinite(far) & (far < nearest)
        bright = max(_BRIGHT[0], _BRIGHT[1] * spread[0])
        outshines = np.clip((left[0] / bright - 2 / 3) * 1.5, 0, 1) * _no_soil(left[0], left[1])
        outshines = outshines * (1 - _snow(scene, bands))
        alike = np.clip((_UNLIKE - far) / (_UNLIKE - 1), 0, 1) * (relation.offset <= _OFFSET)
        nearest = np.where(better, far, nearest)
        cloud = np.where(better, _believed(spread[0], _TELLS_CLOUD) * outshines, cloud)
        clear = np.where(better, _believed(spread[0], _TELLS_CLEAR) * alike, clear)
    return cloud.astype(np.float32), clear.astype(np.float32)


def _snow(scene: Array, bands: Sequence[str]) -> Array:
    """How surely cells are snow (h, w), 0 to 1; 0 without short-wave infrared, since cloud is as bright otherwise."""
    infrared = next((name for name in ("B11", "B12") if name in bands), None)
    if infrared is None or "B03" not in bands:
        return np.zeros_like(scene[0])
    green, short = scene[bands.index("B03")], scene[bands.index(infrared)]
    low, high = _SNOW
    index = (green - short) / np.maximum(green + short, np.float32(1e-3))
    return np.asarray(np.clip((index - low) / (high - low), 0, 1), np.float32)


def _no_soil(blue: Array, red: Array) -> Array:
    """How surely what brightens so much in the blue and in the red is no soil, 0 to 1."""
    low, high = _FLAT
    return np.where(red > 0, np.clip((blue / np.maximum(red, 1e-6) - low) / (high - low), 0, 1), 1).astype(np.float32)


def _believed(spread: float, limits: tuple[float, float]) -> float:
    low, high = limits
    return float(np.clip((high - spread) / (high - low), 0, 1))
