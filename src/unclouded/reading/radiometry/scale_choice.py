"""The scale of a scene's DN: as declared, else that of another image of the place, else the usual one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import InputError
from unclouded.reading.radiometry.declared import USUAL_SCALE, Declared
from unclouded.reading.radiometry.fallback import ABOUT_SCALE, FallbackRadiometry, assumed_note
from unclouded.reading.radiometry.plausibility import data_of, implausible, unknown_scale
from unclouded.reflectance import Encoding

_LOW_DN = 200.0
"""Floats below it of which some are fractions are hardly DN."""


def choose_scale(
    name: str,
    bands: Sequence[str],
    dtype: np.dtype[Any],
    declared: Declared,
    values: Sequence[NDArray[np.generic]],
    fallback: FallbackRadiometry | None,
) -> tuple[float, list[str]]:
    """Take the first scale that is plausible: as declared, else of another image of the place, else the usual ones.

    Args:
        name: of the scene, for errors.
        bands: of the scene.
        dtype: of its DN.
        declared: by its files, with offsets.
        values: some DN of each band.
        fallback: radiometry of another image of the place, for what is not known otherwise.

    Returns:
        DN per 1.0 reflectance, and notes on what was assumed.

    Raises:
        InputError: floats without data in the pixels sampled.
        UnknownRadiometryError: no scale is plausible.
    """
    usual = (1.0, USUAL_SCALE) if dtype.kind == "f" else (USUAL_SCALE,)
    of_scene = () if fallback is None else (fallback.scale,)
    if declared.scale is not None:
        candidates = dict.fromkeys((declared.scale, *of_scene))
    else:
        if fallback is None and dtype.kind == "f" and not any(np.isfinite(band).any() for band in values):
            raise InputError(f"{name}: {dtype} without data in the pixels sampled; give --scale 1 if it is reflectance")
        candidates = dict.fromkeys((*of_scene, *usual))
    found = ""
    for candidate in candidates:
        stated = candidate == declared.scale
        fault = _fault(candidate, bands, declared, values)
        if candidate == USUAL_SCALE and dtype.kind == "f" and not stated and _has_fractions(values):
            fault = fault or "its values are no whole numbers, and small"
        if fault is None:
            if not stated and (declared.scale is not None or candidate not in usual):
                return candidate, [assumed_note(f"{ABOUT_SCALE} {candidate:g}, as the scene is")]
            return candidate, [] if stated or dtype.kind in "iu" else [_assumed(candidate)]
        if stated or declared.scale is None:
            who = f"{declared.by} says" if stated else "without a tag it would be"
            found = f"{who} {candidate:.6g} DN per 1.0 reflectance, but then {fault}"
    raise unknown_scale(name, found, values, declared.nodata)


def _fault(scale: float, bands: Sequence[str], declared: Declared, values: Sequence[NDArray[np.generic]]) -> str | None:
    """Say why a scale is implausible; None if it is not.

    If the pixels are plausible without the declared offset, it is the offset that is wrong: `check_offset` refuses it.
    """
    assert declared.offsets is not None
    fault = implausible(bands, data_of(values, Encoding(scale, declared.offsets, declared.nodata)))
    if fault is None:
        return None
    return implausible(bands, data_of(values, Encoding(scale, (0.0,) * len(bands), declared.nodata)))


def _assumed(scale: float) -> str:
    what = "its values are reflectance" if scale == 1 else f"{scale:.0f} DN per 1.0 reflectance"
    return f"scale assumed: {scale:.0f} ({what}); give --scale if it is another"


def _has_fractions(values: Sequence[NDArray[np.generic]]) -> bool:
    data = np.concatenate([band[np.isfinite(band)].astype(np.float64) for band in values])
    return bool(data.size and np.percentile(data, 99) < _LOW_DN and np.mean(data != np.rint(data)) > 0.1)
