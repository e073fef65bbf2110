"""Names of Sentinel-2 products, tiles and patches: level, date, time, processing baseline, presence of an offset."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

OFFSET_FROM_BASELINE = 400
"""Processing baseline (04.00) from which DN carry +1000."""

OFFSET_FROM_DATE = "20220125"
"""Day, YYYYMMDD, from which every new product has baseline 04.00 or later."""

_PRODUCT = re.compile(r"S2[A-D]_MSI(L1C|L2A)_(\d{8})T\d{5,6}(?:_N(\d{4}))?(?![0-9A-Za-z])")

_SENSING = re.compile(r"S2[A-D]_MSI(?:L1C|L2A)_(\d{8}T\d{6})")

_TILE_FILE = re.compile(r"T\d{2}[A-Z]{3}_(\d{8})T\d{6}(?![0-9A-Za-z])")

_TILE = re.compile(r"S2[A-D]_OPER_MSI_(L1C|L2A)_TL_\w{4}_(\d{8})T\d{6}_A\d{6}_T\w{5}(?:_N(\d\d\.\d\d))?")

_BIGEARTHNET = re.compile(r"S2[A-D]_MSIL2A_\d{8}T\d{5,6}(?:_N9999_R\d{3}_T\w{5})?_\d{1,3}_\d{1,3}(?![0-9A-Za-z])")

_MAJA = re.compile(r"SENTINEL2[A-D]_(\d{8})-\d{6}-\d{3}_L2A_T\w{5}")

_MAJA_TIME = re.compile(r"SENTINEL2[A-D]_(\d{8})-(\d{6})-\d{3}_")

_FORCE = re.compile(r"(?<![A-Za-z0-9])(\d{8})_LEVEL2_SEN2[A-D]_BOA(?![A-Za-z0-9])")

_HLS = re.compile(r"(?<![A-Za-z0-9])HLS[._]S30(?![A-Za-z0-9])")

_HLS_TIME = re.compile(r"(?<![A-Za-z0-9])HLS\.S30\.T\w{5}\.(20\d{5}T\d{6})(?!\d)")

_EARTH_ENGINE = re.compile(r"(?<![A-Za-z0-9])S2(_SR)?(_HARMONIZED)?(?(1)|(?<=D))(?![A-Za-z0-9])")
"""Collections of Google Earth Engine: S2_SR, S2_SR_HARMONIZED, S2_HARMONIZED."""

_ARD = re.compile(r"(?<![A-Za-z0-9])ga_s2[a-d]m_(?:ard|nbart?)(?![A-Za-z0-9])")

_LEVEL = re.compile(r"(?<![A-Za-z0-9])L(1C|2A)(?![A-Za-z0-9])", re.IGNORECASE)
"""In names such as "2018-05-01_Sentinel-2_L1C_B02_(Raw).tiff" of the browsers."""


@dataclass(frozen=True)
class ProductName:
    """What the name of a Sentinel-2 file or folder tells; None where it does not.

    Attributes:
        level: "L1C" or "L2A".
        date: day of acquisition, YYYYMMDD.
        baseline: processing baseline as a number, 509 for 05.09.
        bigearthnet: whether it is a BigEarthNet patch, whose DN never carry an offset.
        never_offset: whether it is of another processor, whose DN never carry one (MAJA, HLS, FORCE, Geoscience
            Australia's).
    """

    level: str | None = None
    date: str | None = None
    baseline: int | None = None
    bigearthnet: bool = False
    never_offset: bool = False


def product_name(name: str) -> ProductName:
    """Read a file's or folder's `name` as the name of a Sentinel-2 product, tile file or BigEarthNet patch."""
    if _BIGEARTHNET.search(name):
        return ProductName(level="L2A", bigearthnet=True)
    if found := _PRODUCT.search(name):
        level, date, baseline = found.groups()
        return ProductName(level, date, int(baseline) if baseline else None)
    if found := _MAJA.search(name):
        return ProductName("L2A", found[1], never_offset=True)
    if found := _FORCE.search(name):
        return ProductName("L2A", found[1], never_offset=True)
    if _HLS.search(name) or _ARD.search(name):
        return ProductName("L2A", never_offset=True)
    if found := _EARTH_ENGINE.search(name):
        return ProductName("L2A" if found[1] else "L1C", never_offset=bool(found[2]))
    tile, level = _TILE_FILE.search(name), _LEVEL.findall(name.replace("_", " "))
    levels = {text.upper() for text in level}
    return ProductName(level=f"L{levels.pop()}" if len(levels) == 1 else None, date=tile and tile[1])


def tile_name(name: str) -> ProductName:
    """Read the name in a tile's metadata, "S2A_OPER_MSI_L1C_TL_…_N05.09"; its date is that of production."""
    found = _TILE.search(name)
    if found is None:
        return ProductName()
    level, date, baseline = found.groups()
    return ProductName(level, date, int(baseline.replace(".", "")) if baseline else None)


def sensing_time(name: str) -> datetime | None:
    """The start of sensing, UTC, in the name of a product of ESA, or of a file called after it; None without one."""
    found = _SENSING.search(name)
    return None if found is None else datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)


def other_processors_time(name: str) -> str:
    """The time of acquisition in names of MAJA and HLS, in ISO 8601; empty without one."""
    if found := _MAJA_TIME.search(name):
        return f"{found[1]}T{found[2]}"
    if found := _HLS_TIME.search(name):
        return datetime.strptime(found[1], "%Y%jT%H%M%S").isoformat()
    return ""
