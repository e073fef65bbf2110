"""Whether a scale gives a scene's DN reflectance that land, water and cloud can have.

A scale comes from a tag, a name or a default, and none of them need belong to the pixels of the file. The limits were
set on 1,391 real images at their true scale, see `implausible`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from unclouded.bands import VISIBLE
from unclouded.errors import InputError, UnknownRadiometryError
from unclouded.reflectance import LOWEST, Encoding, is_fill

Sample = Callable[[], list[NDArray[np.generic]]]
"""Gives some DN of each band, spread over the scene."""

SCALES: tuple[float, ...] = (1.0, 100.0, 1000.0, 10000.0, 65535.0)
"""Scales in use, DN per 1.0: reflectance, per cent, per mille, Sentinel-2's products, 16-bit exports of browsers."""

_MIN_PEAK, _MAX_PEAK = 0.003, 2.0
"""Limits of the peak of any scene: the 99th percentile of reflectance in its brightest band."""

_MIN_LAND_PEAK, _DIM_LAND_PEAK, _MIN_DIM_LAND_MEDIAN = 0.09, 0.17, 0.05
"""Limit of the peak of a scene that is not of water; below the second its highest median must exceed the third."""

_IMPOSSIBLE_PEAK = 10 * _MAX_PEAK
"""Peak beyond which even a scale that the user gives is refused: it is wrong by a factor, however bright the scene."""

_MANY_VALUES = 50
"""Different values of two bands that are never all equal by chance."""

_USUAL_PEAK = 0.5
"""Peak of a scene with some cloud or bright ground, roughly."""

HIGHEST_DN = 1e6
"""DN beyond which a value is a fill value at any scale, such as the 9.97e36 of NetCDF."""

HIGHEST_USUAL_DN = 32_768
"""No DN at 10,000 per 1.0 reflectance is above it: cloud tops and glint reach 28,000."""

PATH_REFLECTANCE: dict[str, float] = {"B01": 0.07, "B02": 0.05}
"""Lower limits of the path reflectance, that of the air alone, in L1C: the first percentile of 162 real L1C images is
never below 0.092 and 0.067, that of 252 L2A images mostly below 0.03."""

_MAX_OVERBRIGHT = 0.01

_TO_RED_EDGE = ("B01", "B02", "B03", "B04", "B05")
_INFRARED = ("B07", "B08", "B8A", "B11", "B12")


def data_of(sample: Sequence[NDArray[np.generic]], encoding: Encoding) -> list[NDArray[np.float64]]:
    """Reflectance (n,) of the DN of each band that are no fill values, however bright they are at this scale.

    Fill pixels of all bands are left out if the bands have one shape, see `reflectance.is_fill`.
    """
    found = []
    if len(sample) > 1 and len({band.shape for band in sample}) == 1:
        kept = ~is_fill(np.stack(sample), encoding)
        sample = [band[kept] for band in sample]
    for band, offset in zip(sample, encoding.offsets, strict=True):
        dn = band[np.isfinite(band)].astype(np.float64)
        if encoding.nodata is not None and not encoding.nodata_in_all_bands:
            dn = dn[dn != encoding.nodata]
        reflectance = (dn + offset) / encoding.scale
        found.append(reflectance[(reflectance >= LOWEST) & (dn < HIGHEST_DN)])
    return found


def darkest(bands: Sequence[str], reflectance: Sequence[NDArray[np.float64]]) -> dict[str, float]:
    """First percentile of the reflectance of each band that has any."""
    return {band: float(np.percentile(v, 1)) for band, v in zip(bands, reflectance, strict=True) if v.size}


def equal_bands_note(bands: Sequence[str], values: Sequence[NDArray[np.generic]]) -> list[str]:
    """Return a note where two bands are the same image, as where a file was copied under two names; else nothing.

    Args:
        bands: of the scene.
        values: some DN (...) of each band.
    """
    for n, band in enumerate(values):
        for earlier in range(n):
            if np.array_equal(band, values[earlier]) and np.unique(band).size >= _MANY_VALUES:
                return [
                    f"{bands[earlier]} and {bands[n]} hold the same pixels, which no two bands do: one is a copy of "
                    f"the other; give the true {bands[n]}, or leave the wrong one out with --bands"
                ]
    return []


def implausible(bands: Sequence[str], reflectance: Sequence[NDArray[np.float64]]) -> str | None:
    """Say why the reflectance of a sample of each band cannot be real; None if it may be.

    Of 1,391 real images (L1C and L2A, clear to overcast, water and snow) 14 are called implausible at their true scale:
    ten of 2.5 ha under low sun and four of water. At 6.55 times the scale 95 % are, at a tenth 86 %, at a hundredth
    99 %.
    """
    peaks = {band: float(np.percentile(v, 99)) for band, v in zip(bands, reflectance, strict=True) if v.size}
    medians = {band: float(np.median(v)) for band, v in zip(bands, reflectance, strict=True) if v.size}
    if not peaks:
        return None  # nothing to go by; a scene without data is refused where it is read
    peak, median = max(peaks.values()), max(medians.values())
    if peak < _MIN_PEAK:
        return f"nothing in it would be brighter than {peak:.2g}"
    if peak > _MAX_PEAK:
        return f"its brightest would be {peak:.2g}, and cloud tops seldom pass {_MAX_PEAK:g}"
    if _overbright_vegetation(dict(zip(bands, reflectance, strict=True))) > _MAX_OVERBRIGHT:
        return f"more than {_MAX_OVERBRIGHT:.0%} of it would be plants that reflect more infrared than there is"
    visible = [peaks[band] for band in _TO_RED_EDGE if band in peaks]
    infrared = [peaks[band] for band in _INFRARED if band in peaks]
    water = visible and (not infrared or max(infrared) < 0.6 * max(visible))
    if not water and (peak < _MIN_LAND_PEAK or (peak < _DIM_LAND_PEAK and median < _MIN_DIM_LAND_MEDIAN)):
        return f"its brightest would be {peak:.2g}, half of it below {median:.2g}, darker than any land"
    return None


def impossible(reflectance: Sequence[NDArray[np.float64]]) -> str | None:
    """Say why no scene can have the reflectance of a sample of each band; None if one may. Laxer than `implausible`."""
    peaks = [float(np.percentile(band, 99)) for band in reflectance if band.size]
    if not peaks or _MIN_PEAK <= max(peaks) <= _IMPOSSIBLE_PEAK:
        return None
    return f"its brightest would be {max(peaks):.2g}"


def _overbright_vegetation(reflectance: Mapping[str, NDArray[np.float64]]) -> float:
    """Share of pixels as dark in a visible band as vegetation, and nearly white in the near infrared."""
    near = next((band for band in ("B08", "B8A", "B07") if band in reflectance), None)
    visible = [reflectance[band] for band in VISIBLE if band in reflectance]
    if near is None or not visible or len({v.shape for v in (*visible, reflectance[near])}) > 1:
        return 0.0  # of different pixels
    bright = reflectance[near]
    return float(np.mean((bright > 0.9) & (np.min(visible, axis=0) < 0.4 * bright))) if bright.size else 0.0


def unknown_scale(
    source: str, found: str, sample: Sequence[NDArray[np.generic]], nodata: float | None
) -> UnknownRadiometryError:
    """Make the error for a scale that cannot be known, naming the two likeliest and what each would mean.

    Args:
        source: name of the scene.
        found: what is wrong with the scale in question.
        sample: some DN of each band.
        nodata: the no-data value.
    """
    return UnknownRadiometryError(
        f"{source}: the scale cannot be known: {found}; give {_likeliest(sample, nodata)}, and --offset if there is one"
    )


def refuse_scale(source: str, scale: float, sample: Sequence[NDArray[np.generic]], nodata: float | None) -> None:
    """Refuse a scale that the user gives and that no scene can have, see `impossible`.

    Raises:
        InputError: naming the two likeliest scales.
    """
    encoding = Encoding(scale, (0.0,) * len(sample), nodata)
    if fault := impossible(data_of(sample, encoding)):
        raise InputError(
            f"{source}: --scale {scale:g} is not that of its values: {fault}; give {_likeliest(sample, nodata)}, or "
            "leave it out"
        )


def _likeliest(sample: Sequence[NDArray[np.generic]], nodata: float | None) -> str:
    """The two likeliest scales of a sample of DN of each band, and what each would mean."""
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
    found: NDArray[np.float64] = dn[(dn > 0) & (dn < HIGHEST_DN) & (dn != nodata)]
    return found
