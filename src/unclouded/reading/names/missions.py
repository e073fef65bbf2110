"""Other satellites' images, whose bands have the numbers or names of Sentinel-2's and other wavelengths."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from unclouded.errors import InputError

_LANDSAT = re.compile(
    r"(?<![A-Za-z0-9])(?:L[COTEM]0[1-9]_L[12][A-Z]{2}_\d{6}|L[COTEM][1-9]\d{13}|LEVEL[23]_LND0[4-9]|HLS[._]L30(?![A-Za-z0-9])|landsat)",
    re.IGNORECASE,
)
_OTHERS: dict[str, re.Pattern[str]] = {
    "PlanetScope": re.compile(
        r"(?<![A-Za-z0-9])(?:\d_?B_Analytic(?:MS)?|PSScene|PlanetScope|planet_medres|global_(?:month|quarter)ly_20\d\d)",
        re.IGNORECASE,
    ),
    "RapidEye": re.compile(r"(?<![A-Za-z0-9])(?:RE[1-5]_3A|RapidEye)(?![A-Za-z0-9])", re.IGNORECASE),
    "MODIS": re.compile(r"(?<![A-Za-z0-9])M[OYC]D\d{2}[A-Z]+\d*\.A\d{7}"),
    "Sentinel-1": re.compile(r"(?<![A-Za-z0-9])S1[A-D]_(?:IW|EW|S\d|WV)_"),
    "Sentinel-3": re.compile(r"(?<![A-Za-z0-9])S3[A-D]_(?:OL|SL|SY|SR)_"),
}
"""Names of the products of others."""

_BANDS: dict[str, re.Pattern[str]] = {
    "Landsat": re.compile(r"(?:SR|ST)_B\d{1,2}"),
    "MODIS": re.compile(r"sur_refl_b\d\d(?:_\d)?|(?:Nadir_)?Reflectance_Band\d"),
}
"""How Google Earth Engine and the files themselves call bands of others (those of Sentinel-2 are B1, B2, …)."""


def refuse_others(source: str, names: Iterable[str], tags: Mapping[str, str] | None = None) -> None:
    """Refuse what is named after another satellite.

    Args:
        source: how errors call it.
        names: of its files, folders and bands.
        tags: metadata of a file.

    Raises:
        InputError: saying by what it was known.
    """
    for name in names:
        if _LANDSAT.search(name):
            raise _refusal(source, "Landsat", name)
        for mission, pattern in _OTHERS.items():
            if pattern.search(name):
                raise _refusal(source, mission, name)
        for mission, pattern in _BANDS.items():
            if pattern.fullmatch(name):
                raise _refusal(source, mission, name)
    for key, value in (tags or {}).items():
        if key.upper().startswith("LANDSAT_") or (key.upper() in _SATELLITE_TAGS and _LANDSAT.search(value)):
            raise _refusal(source, "Landsat", f"{key}={value}")


def _refusal(source: str, mission: str, found: str) -> InputError:
    why = "which is radar" if mission == "Sentinel-1" else "whose bands are others under the same names"
    advice = {"Landsat": "give one (HLS: the product S30)", "Sentinel-1": "give this one as --radar"}
    return InputError(
        f"{source}: is of {mission} ({found[:80]}), {why}; "
        f"scenes of Sentinel-2 are accepted; {advice.get(mission, 'give one')}"
    )


_SATELLITE_TAGS = ("SATELLITE", "SPACECRAFT_ID", "SPACECRAFT", "PLATFORM", "MISSION")
