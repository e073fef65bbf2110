"""Signs that the offset of +1000 DN was not removed from reflectance, so that all of it is 0.1 too bright."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unclouded.bands import VISIBLE
from unclouded.errors import UnknownRadiometryError
from unclouded.reading.radiometry.offsets import SUSPICIOUS_DARK, darkest_percentile, rescaled_offset

_OFFSET = 0.1
_MIN_PIXELS = 6000
"""Pixels of a sample, at least: smaller images may show one kind of ground, all under thin cloud."""

_FLOOR, _VISIBLE_FLOOR = 0.09, 0.16
"""Reflectance that no band lies below, and that the darkest visible band does: cloud would raise it more."""

_MIN_VEGETATION, _MAX_NDVI = 0.01, 0.75
"""Least share of pixels that are vegetation once 0.1 is subtracted, and an NDVI that vegetation exceeds otherwise."""

_RED, _NEAR_INFRARED = ("B04", "B05"), ("B08", "B8A", "B07")
"""Bands of the NDVI, the best first."""


def unremoved_offset_note(reflectance: Sequence[NDArray[np.float64]], scale: float) -> list[str]:
    """Return a note where reflectance is as bright in all bands as if +1000 DN had not been removed; else nothing.

    A note and no error, since cloud and desert are as bright.

    Args:
        reflectance: some of each band, no offset added.
        scale: value of 1.0 reflectance in the file.
    """
    if darkest_percentile(reflectance) < SUSPICIOUS_DARK:
        return []
    return [
        "all of its bands are so bright as where +1000 was left in DN that were divided by 10000; "
        f"give --offset {rescaled_offset(scale):g} if it was"
    ]


def refuse_unremoved_offset(
    source: str,
    bands: Sequence[str],
    reflectance: Sequence[NDArray[np.float64]],
    scale: float,
    where: str = "was left in DN that were divided by 10000",
) -> None:
    """Refuse reflectance without a declared offset whose vegetation shows that 0.1 is to be subtracted.

    No band lies below 0.1, the visible ones hardly above it, and vegetation has a low NDVI, as under neither cloud nor
    in desert. Of 414 real images of 10,000 pixels and more none is refused, of 250 of L2A 179 are if 0.1 is added.

    Args:
        source: name of the scene, for errors.
        bands: of the scene.
        reflectance: some of each band, no offset added.
        scale: value of 1.0 reflectance in the file.
        where: what was done with +1000, for the error.

    Raises:
        UnknownRadiometryError: naming both offsets.
    """
    data = dict(zip(bands, reflectance, strict=True))
    visible = [data[band] for band in VISIBLE if band in data]
    red, near = (next((data[band] for band in names if band in data), None) for names in (_RED, _NEAR_INFRARED))
    if red is None or near is None or not visible or len({values.shape for values in reflectance}) > 1:
        return
    if red.size < _MIN_PIXELS or min(float(np.percentile(values, 0.1)) for values in reflectance) < _FLOOR:
        return
    if "B10" not in data and min(float(np.percentile(values, 1)) for values in visible) > _VISIBLE_FLOOR:
        return
    ndvi = (near - red) / np.maximum(near + red, 0.01)
    corrected_ndvi = (near - red) / np.maximum(near + red - 2 * _OFFSET, 0.02)
    vegetation = np.mean((red < _OFFSET + 0.08) & (corrected_ndvi > 0.7) & (near > red + 0.12))
    if vegetation >= _MIN_VEGETATION and np.percentile(ndvi, 99.5) < _MAX_NDVI:
        raise UnknownRadiometryError(
            f"{source}: no band of it is darker than reflectance {_FLOOR:g}, and its plants are grey, as where +1000 "
            f"{where}; give --offset {rescaled_offset(scale):g} to take it off, or "
            "--offset 0 if the values are right"
        )
