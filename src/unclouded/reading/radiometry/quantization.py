"""The quantization step of reflectance, 0.0001 in products: another one shows by what else DN were divided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import UnknownRadiometryError
from unclouded.reading.radiometry.declared import USUAL_SCALE
from unclouded.reflectance import HIGHEST, LOWEST

_MIN_VALUES = 50
"""Different values of a band, at least, to find the step between them by."""

_SAME_VALUE, _MIN_STEP = 4, 20
"""Spacings of 32-bit floats up to which values are the same, and that a step is larger than."""

_DEVIATION, _ON_STEPS, _MAX_DEVIATION = 0.1, 0.995, 0.3
"""Deviation, in steps, of this share of the values from whole numbers of steps, and that of all values."""

_SAME_STEP, _NEAR_USUAL = 0.01, 0.3
"""Relative difference of steps that are the same, and that from the usual step which is accepted, as where bands were
adjusted to those of another satellite."""

_NEAR_INTEGER = 0.03
"""Relative difference from a whole multiple or fraction of the usual step, which is accepted: values rounded to three
decimals, or means of a few."""

_EIGHT_BIT_MAXIMUM, _NEAR_EIGHT_BIT = 255, 0.005

_MAX_ITERATIONS = 40
"""Of the refinement of a step; it converges in a few."""


def refuse_rescaled(
    name: str, dtype: np.dtype[Any], bands: Sequence[str], sample: Sequence[NDArray[np.generic]], scale: float
) -> None:
    """Refuse floats whose step is not that of DN at their scale, as where they were divided by their maximum.

    Of 489 real images none is refused as reflectance, in 16 bits, rounded to three decimals, interpolated, or as means
    of two pixels. Divided by 3000, 416 are, by 65535, 425, and by their maximum, 305: that of the others is near 10000.

    Args:
        name: of the scene, for errors.
        dtype: of its values.
        bands: of the scene.
        sample: some values of each band.
        scale: value of 1.0 reflectance, by the pixels alone.

    Raises:
        UnknownRadiometryError: naming the scale that follows from the step.
    """
    if dtype.kind != "f":
        return
    found = (_step(band.astype(np.float64) / scale) for band in sample)
    steps = [step for step in found if step is not None]
    if len(steps) < min(2, len(bands)) or not steps or max(steps) > (1 + _SAME_STEP) * min(steps):
        return  # no common step
    ratio = float(np.median(steps)) * USUAL_SCALE
    divisor = USUAL_SCALE / ratio
    if abs(divisor / _EIGHT_BIT_MAXIMUM - 1) > _NEAR_EIGHT_BIT:
        times = max(ratio, 1 / ratio)
        if (
            times < 1 + _NEAR_USUAL
            or abs(times / round(times) - 1) < _NEAR_INTEGER
            or np.log2(divisor) % 1 in (0.0, 1.0)
        ):
            return
    raise UnknownRadiometryError(
        f"{name}: its values are whole multiples of {ratio / USUAL_SCALE * scale:.3g}, and those of reflectance of "
        f"{scale / USUAL_SCALE:g}, as where DN were divided by {divisor:.0f}, which may be their maximum; give "
        f"--scale {scale * ratio:.6g} if they were, or --scale {scale:g} if these are right"
    )


def _step(reflectance: NDArray[np.float64]) -> float | None:
    """The step of which the differences between a band's values are multiples, by least squares; None without one."""
    values = np.unique(reflectance[(reflectance > LOWEST) & (reflectance < HIGHEST)])
    if values.size < _MIN_VALUES:
        return None
    spacing = float(np.spacing(np.float32(np.abs(values).max())))
    gaps = np.diff(values)
    gaps = gaps[gaps > _SAME_VALUE * spacing]
    if gaps.size < _MIN_VALUES or gaps.min() < _MIN_STEP * spacing:
        return None
    step, above = float(gaps.min()), values - values[0]
    for _ in range(_MAX_ITERATIONS):
        # The error of the step adds up, so that only values up to some height have a sure number of steps.
        numbers = np.rint(above / step)
        unsure = np.abs(above / step - numbers) > _MAX_DEVIATION
        known = (numbers > 0) & (np.cumsum(unsure) == 0)
        if not known.any():
            return None
        better = float((above[known] * numbers[known]).sum() / (numbers[known] ** 2).sum())
        converged, step = abs(better - step) < 1e-12 * step, better
        if converged:
            break
    deviation = np.abs(above - np.rint(above / step) * step)
    tolerance = _SAME_VALUE * spacing
    on_steps = float(np.mean(deviation < _DEVIATION * step + tolerance)) > _ON_STEPS
    return step if on_steps and deviation.max() < _MAX_DEVIATION * step + tolerance else None
