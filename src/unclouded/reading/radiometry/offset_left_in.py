"""Signs that the offset of +1000 DN was left in reflectance, so that all of it is 0.1 too bright."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unclouded.errors import UnknownNumbersError
from unclouded.reading.radiometry.offsets import SUSPICIOUS_DARK, darkest_of_all, offset_at

_OFFSET = 0.1
_ENOUGH = 6000
"""Pixels of a sample that show more than one kind of ground, which may all lie under thin cloud."""

_FLOOR, _VISIBLE_FLOOR = 0.09, 0.16
"""Reflectance that no band goes below, and that the darkest visible one does: cloud would lift that more."""

_PLANTS, _GREENEST = 0.01, 0.75
"""Share of the pixels that are plants when 0.1 is taken off, and an NDVI that plants pass as they are."""

_OF_PLANTS = (("B04", "B05"), ("B08", "B8A", "B07"))
"""Bands by which plants are told, red and near infrared, the best first."""


def offset_left_in_note(reflectance: Sequence[NDArray[np.float64]], scale: float) -> list[str]:
    """Return a note where reflectance is so bright in all bands as DN become that carry +1000; else nothing.

    Cloud and desert are, too, so that nobody is asked.

    Args:
        reflectance: some of each band, as it is.
        scale: what 1.0 of it is in the file.
    """
    if darkest_of_all(reflectance) < SUSPICIOUS_DARK:
        return []
    return [
        "all of its bands are so bright as where +1000 was left in DN that were divided by 10000; "
        f"give --offset {offset_at(scale):g} if it was"
    ]


def refuse_offset_left_in(
    source: str,
    bands: Sequence[str],
    reflectance: Sequence[NDArray[np.float64]],
    scale: float,
    where: str = "was left in DN that were divided by 10000",
) -> None:
    """Refuse reflectance of which nothing says that 0.1 is to be taken off, and whose plants say so.

    No band goes below 0.1, the visible ones hardly above it, and green is grey, as in neither cloud nor desert. Of 414
    real images of 10,000 pixels and more none is asked about, of 250 at the ground's level 179 are where 0.1 is added.

    Args:
        source: how errors call the scene.
        bands: of the scene.
        reflectance: some of each band, as it is.
        scale: what 1.0 of it is in the file.
        where: what became of +1000.

    Raises:
        UnknownNumbersError: naming both offsets.
    """
    data = dict(zip(bands, reflectance, strict=True))
    visible = [data[band] for band in ("B02", "B03", "B04") if band in data]
    red, near = (next((data[band] for band in wanted if band in data), None) for wanted in _OF_PLANTS)
    if red is None or near is None or not visible or len({values.shape for values in reflectance}) > 1:
        return
    if red.size < _ENOUGH or min(float(np.percentile(values, 0.1)) for values in reflectance) < _FLOOR:
        return
    if "B10" not in data and min(float(np.percentile(values, 1)) for values in visible) > _VISIBLE_FLOOR:
        return
    greenness = (near - red) / np.maximum(near + red, 0.01)
    without = (near - red) / np.maximum(near + red - 2 * _OFFSET, 0.02)
    plants = np.mean((red < _OFFSET + 0.08) & (without > 0.7) & (near > red + 0.12))
    if plants >= _PLANTS and np.percentile(greenness, 99.5) < _GREENEST:
        raise UnknownNumbersError(
            f"{source}: no band of it is darker than reflectance {_FLOOR:g}, and its plants are grey, as where +1000 "
            f"{where}; give --offset {offset_at(scale):g} to take it off, or "
            "--offset 0 if the values are right"
        )
