"""The 13 bands of Sentinel-2 MSI, in the one order in which images are kept inside the package, and its two levels.

Source: Sentinel-2 MSI User Handbook (ESA), central wavelengths of Sentinel-2A.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Band:
    """One band: name, central wavelength in nanometres, native ground sampling in metres, and its name in STAC."""

    name: str
    wavelength: float
    resolution: int
    common_name: str


BANDS: tuple[Band, ...] = (
    Band("B01", 442.7, 60, "coastal"),
    Band("B02", 492.4, 10, "blue"),
    Band("B03", 559.8, 10, "green"),
    Band("B04", 664.6, 10, "red"),
    Band("B05", 704.1, 20, "rededge071"),
    Band("B06", 740.5, 20, "rededge075"),
    Band("B07", 782.8, 20, "rededge078"),
    Band("B08", 832.8, 10, "nir"),
    Band("B8A", 864.7, 20, "nir08"),
    Band("B09", 945.1, 60, "nir09"),
    Band("B10", 1373.5, 60, "cirrus"),
    Band("B11", 1613.7, 20, "swir16"),
    Band("B12", 2202.4, 20, "swir22"),
)
NAMES: tuple[str, ...] = tuple(band.name for band in BANDS)
INDEX: dict[str, int] = {name: position for position, name in enumerate(NAMES)}

LEVELS: tuple[str, ...] = ("L1C", "L2A")
"""Processing levels: at the top of the atmosphere, and at the surface. Networks know each by its place here, 0 or 1."""

L1C: tuple[str, ...] = NAMES
L2A: tuple[str, ...] = tuple(name for name in NAMES if name != "B10")
TEN: tuple[str, ...] = tuple(band.name for band in BANDS if band.resolution < 60)
"""The ten bands of 10 and 20 m that most analysis-ready stacks hold."""
TEN_METRES: tuple[str, ...] = tuple(band.name for band in BANDS if band.resolution == 10)
VISIBLE: tuple[str, ...] = ("B02", "B03", "B04")

ASSUMED_ORDER: dict[int, tuple[str, ...]] = {13: L1C, 12: L2A, 10: TEN}
"""Band order that is assumed (and said) for a stack without band descriptions, by its number of bands."""
