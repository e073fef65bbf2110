"""Other satellites' images, whose bands have the numbers of Sentinel-2's and other wavelengths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from unclouded.errors import InputError

_LANDSAT = re.compile(
    r"(?<![A-Za-z0-9])(?:L[COTEM]0[1-9]_L[12][A-Z]{2}_\d{6}|L[COTEM][1-9]\d{13}|HLS[._]L30(?![A-Za-z0-9])|landsat)",
    re.IGNORECASE,
)
_EARTH_ENGINE = re.compile(r"(?:SR|ST)_B\d{1,2}")
"""How Google Earth Engine calls the bands of Landsat collection 2 (those of Sentinel-2 are B1, B2, …)."""


def refuse_landsat(source: str, names: Iterable[str], tags: Mapping[str, str] | None = None) -> None:
    """Refuse what is named after Landsat.

    Args:
        source: how errors call it.
        names: of its files, folders and bands.
        tags: metadata of a file.

    Raises:
        InputError: saying by what it was known.
    """
    found = next((name for name in names if _LANDSAT.search(name) or _EARTH_ENGINE.fullmatch(name)), None)
    if found is None:
        found = next(
            (
                f"{key}={value}"
                for key, value in (tags or {}).items()
                if key.upper().startswith("LANDSAT_") or (key.upper() in _SATELLITE_TAGS and _LANDSAT.search(value))
            ),
            None,
        )
    if found is not None:
        raise InputError(
            f"{source}: is of Landsat ({found[:80]}), whose bands are others under the same numbers; "
            "scenes of Sentinel-2 are accepted; give one (HLS: the product S30)"
        )


_SATELLITE_TAGS = ("SATELLITE", "SPACECRAFT_ID", "SPACECRAFT", "PLATFORM", "MISSION")
