"""Whether reflectance that a scale makes of a scene's DN can be that of land, water and cloud.

A scale comes from a tag, a name or habit, and each of them is sometimes that of other pixels than those in the file.
The limits were set on 1,391 real images at their right scale (see `implausible`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import InputError, UnknownNumbersError
from unclouded.reflectance import LOWEST, Encoding, is_hole

Sample = Callable[[], list[NDArray[np.generic]]]
"""Gives some DN of each band, spread over the scene."""

SCALES: tuple[float, ...] = (1.0, 100.0, 1000.0, 10000.0, 65535.0)
"""DN per 1.0 reflectance that are in use: reflectance, per cent, per mille, Sentinel-2, browsers' 16-bit exports."""

_FAINTEST, _BRIGHTEST = 0.003, 2.0
"""Reflectance between which the 99th percentile of a scene's brightest band lies, whatever it shows."""

_DARK_PEAK, _DIM_PEAK, _DIM_MIDDLE = 0.09, 0.17, 0.05
"""Without water, the brightest band's 99th percentile is above the first, and it or its median above the others."""

_BLINDING = 10 * _BRIGHTEST
"""The same percentile beyond which a scale is refused that somebody gives: it is another's by a factor, and not of a
scene that is darker or brighter than any other."""

_USUAL_PEAK = 0.5
"""The 99th percentile of the brightest band of a scene with some cloud or bright ground, roughly."""

FILLED = 1e6
"""DN that no scale makes reflectance of, such as the 9.97e36 of NetCDF."""

AIR: dict[str, float] = {"B01": 0.07, "B02": 0.05}
"""Reflectance that air alone has at the top of the atmosphere (L1C): the first percentile of 162 real L1C images is
never below 0.092 and 0.067, that of 252 L2A images mostly below 0.03."""

_GREEN_SHARE = 0.01

_VISIBLE = ("B01", "B02", "B03", "B04", "B05")
_INFRARED = ("B07", "B08", "B8A", "B11", "B12")


def data_of(sample: Sequence[NDArray[np.generic]], encoding: Encoding) -> list[NDArray[np.float64]]:
    """Reflectance of those DN of each band that are data, if they are too bright at that scale, too.

    Holes are none, see `reflectance.is_hole`.
    """
    found = []
    if len(sample) > 1 and len({band.shape for band in sample}) == 1:
        kept = ~is_hole(np.stack(sample), encoding)
        sample = [band[kept] for band in sample]
    for band, offset in zip(sample, encoding.offsets, strict=True):
        dn = band[np.isfinite(band)].astype(np.float64)
        if encoding.nodata is not None and not encoding.together:
            dn = dn[dn != encoding.nodata]
        reflectance = (dn + offset) / encoding.scale
        found.append(reflectance[(reflectance >= LOWEST) & (dn < FILLED)])
    return found


def darkest(bands: Sequence[str], reflectance: Sequence[NDArray[np.float64]]) -> dict[str, float]:
    """First percentile of some reflectance of each band that has any."""
    return {band: float(np.percentile(v, 1)) for band, v in zip(bands, reflectance, strict=True) if v.size}


def implausible(bands: Sequence[str], reflectance: Sequence[NDArray[np.float64]]) -> str | None:
    """Say what is wrong with some reflectance of each band, or None if it may be real.

    Of 1,391 real images (L1C and L2A, clear to overcast, water and snow) 14 are called wrong at their right scale:
    ten chips of 2.5 ha under low sun and four of water. At 6.55 times it 95 % are, at a tenth of it 86 %, at a
    hundredth 99 %.
    """
    peaks = {band: float(np.percentile(v, 99)) for band, v in zip(bands, reflectance, strict=True) if v.size}
    middles = {band: float(np.median(v)) for band, v in zip(bands, reflectance, strict=True) if v.size}
    if not peaks:
        return None  # nothing to go by; a scene without data is refused where it is read
    peak, middle = max(peaks.values()), max(middles.values())
    if peak < _FAINTEST:
        return f"nothing in it would be brighter than {peak:.2g}"
    if peak > _BRIGHTEST:
        return f"its brightest would be {peak:.2g}, and cloud tops seldom pass {_BRIGHTEST:g}"
    if _green(dict(zip(bands, reflectance, strict=True))) > _GREEN_SHARE:
        return f"more than {_GREEN_SHARE:.0%} of it would be plants that reflect more infrared than there is"
    visible = [peaks[band] for band in _VISIBLE if band in peaks]
    infrared = [peaks[band] for band in _INFRARED if band in peaks]
    water = visible and (not infrared or max(infrared) < 0.6 * max(visible))
    if not water and (peak < _DARK_PEAK or (peak < _DIM_PEAK and middle < _DIM_MIDDLE)):
        return f"its brightest would be {peak:.2g}, half of it below {middle:.2g}, darker than any land"
    return None


def impossible(reflectance: Sequence[NDArray[np.float64]]) -> str | None:
    """Say what is wrong with some reflectance of each band that no scene can have, or None; less than `implausible`."""
    peaks = [float(np.percentile(band, 99)) for band in reflectance if band.size]
    if not peaks or _FAINTEST <= max(peaks) <= _BLINDING:
        return None
    return f"its brightest would be {max(peaks):.2g}"


def _green(reflectance: Mapping[str, NDArray[np.float64]]) -> float:
    """Share of pixels that are nearly white in the near infrared, and far from it in the darkest visible band."""
    near = next((band for band in ("B08", "B8A", "B07") if band in reflectance), None)
    visible = [reflectance[band] for band in ("B02", "B03", "B04") if band in reflectance]
    if near is None or not visible or len({v.shape for v in (*visible, reflectance[near])}) > 1:
        return 0.0  # of other places
    bright = reflectance[near]
    return float(np.mean((bright > 0.9) & (np.min(visible, axis=0) < 0.4 * bright))) if bright.size else 0.0


def unknown_scale(
    source: str, found: str, sample: Sequence[NDArray[np.generic]], nodata: float | None
) -> UnknownNumbersError:
    """Make the error for a scale that cannot be known, naming the two likeliest and what each would mean.

    Args:
        source: how errors call the scene.
        found: what is wrong with the scale in question.
        sample: some DN of each band.
        nodata: the DN that is none.
    """
    return UnknownNumbersError(
        f"{source}: the scale cannot be known: {found}; give {_likeliest(sample, nodata)}, and --offset if there is one"
    )


def refuse_scale(source: str, scale: float, sample: Sequence[NDArray[np.generic]], nodata: float | None) -> None:
    """Refuse a scale that somebody gives and that makes of DN what no reflectance is; InputError, as above."""
    encoding = Encoding(scale, (0.0,) * len(sample), nodata)
    if fault := impossible(data_of(sample, encoding)):
        raise InputError(
            f"{source}: --scale {scale:g} is not that of its values: {fault}; give {_likeliest(sample, nodata)}, or "
            "leave it out"
        )


def _likeliest(sample: Sequence[NDArray[np.generic]], nodata: float | None) -> str:
    """The two likeliest scales of some DN of each band, and what each would mean."""
    peak = max(
        (float(np.percentile(v, 99)) for band in sample if (v := _positive(band, nodata)).size),
        default=0.0,
    )
    likeliest = sorted(SCALES, key=lambda scale: abs(np.log(max(peak, 1e-9) / scale / _USUAL_PEAK)))[:2]
    return " or ".join(
        f"--scale {scale:.0f} (its brightest band then reaches {peak / scale:.2g})" for scale in likeliest
    )


def _positive(band: NDArray[np.generic], nodata: float | None) -> NDArray[np.float64]:
    dn = band[np.isfinite(band)].astype(np.float64)
    found: NDArray[np.float64] = dn[(dn > 0) & (dn < FILLED) & (dn != nodata)]
    return found
