"""The step between values of reflectance, which is 0.0001 of products, and tells by what else DN were divided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import UnknownNumbersError
from unclouded.reading.radiometry.declared import USUAL_SCALE
from unclouded.reflectance import HIGHEST, LOWEST

_VALUES = 50
"""Different values of a band, at least, whose smallest difference is the step between them."""

_TOUCHING, _RESOLVED = 4, 20
"""Spacings of 32-bit floats up to which values are the same, and that a step is larger than."""

_OFF, _ON_STEPS, _FARTHEST = 0.1, 0.995, 0.3
"""How far, in steps, this share of the values is from whole numbers of them, and the farthest."""

_ALIKE, _NEAR = 0.01, 0.3
"""How far, as a share, steps of bands differ that are one, and how far a step from the usual one is of no weight, as
where bands were adjusted to those of another satellite."""

_WHOLE = 0.03
"""The same for the ratio of a step to the usual one, or the other way round, that is a whole number: values rounded to
three decimals, or means of a few."""

_OF_PICTURES, _EXACT = 255, 0.005
_ROUNDS = 40


def refuse_rescaled(
    name: str, dtype: np.dtype[Any], bands: Sequence[str], sample: Sequence[NDArray[np.generic]], scale: float
) -> None:
    """Refuse floats whose step is not that of DN at the scale they would have, as where the maximum divided all.

    Of 489 real images none is refused as reflectance, in 16 bits, rounded to three decimals, interpolated, or as means
    of two pixels. Divided by 3000 416 are, by 65535 425, and by their greatest value 305: that of others is near 10000.

    Args:
        name: how errors call the scene.
        dtype: of its values.
        bands: of the scene.
        sample: some values of each band.
        scale: what 1.0 of reflectance is in them, by the pixels alone.

    Raises:
        UnknownNumbersError: naming the scale that the step means.
    """
    if dtype.kind != "f":
        return
    found = (_step(band.astype(np.float64) / scale) for band in sample)
    steps = [step for step in found if step is not None]
    if len(steps) < min(2, len(bands)) or not steps or max(steps) > (1 + _ALIKE) * min(steps):
        return  # nothing to go by
    ratio = float(np.median(steps)) * USUAL_SCALE
    divisor = USUAL_SCALE / ratio
    if abs(divisor / _OF_PICTURES - 1) > _EXACT:
        times = max(ratio, 1 / ratio)
        if times < 1 + _NEAR or abs(times / round(times) - 1) < _WHOLE or np.log2(divisor) % 1 in (0.0, 1.0):
            return
    raise UnknownNumbersError(
        f"{name}: its values are whole multiples of {ratio / USUAL_SCALE * scale:.3g}, and those of reflectance of "
        f"{scale / USUAL_SCALE:g}, as where DN were divided by {divisor:.0f}, which may be their maximum; give "
        f"--scale {scale * ratio:.6g} if they were, or --scale {scale:g} if these are right"
    )


def _step(reflectance: NDArray[np.float64]) -> float | None:
    """The step of which the differences between the values of a band are multiples; None if there is none."""
    values = np.unique(reflectance[(reflectance > LOWEST) & (reflectance < HIGHEST)])
    if values.size < _VALUES:
        return None
    spacing = float(np.spacing(np.float32(np.abs(values).max())))
    gaps = np.diff(values)
    gaps = gaps[gaps > _TOUCHING * spacing]
    if gaps.size < _VALUES or gaps.min() < _RESOLVED * spacing:
        return None
    step, above = float(gaps.min()), values - values[0]
    for _ in range(_ROUNDS):
        # How many steps a value is above the least is known as far as the error of the step does not add up.
        numbers = np.rint(above / step)
        unsure = np.abs(above / step - numbers) > _FARTHEST
        known = (numbers > 0) & (np.cumsum(unsure) == 0)
        if not known.any():
            return None
        better = float((above[known] * numbers[known]).sum() / (numbers[known] ** 2).sum())
        settled, step = abs(better - step) < 1e-12 * step, better
        if settled:
            break
    off = np.abs(above - np.rint(above / step) * step)
    limit = _TOUCHING * spacing
    on_steps = float(np.mean(off < _OFF * step + limit)) > _ON_STEPS
    return step if on_steps and off.max() < _FARTHEST * step + limit else None
