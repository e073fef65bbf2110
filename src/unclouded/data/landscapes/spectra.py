"""Materials of simulated ground: reflectance in the 13 bands and radar backscatter of each, by season.

Vegetation, soil and water start from the centres of 48 k-means clusters (log reflectance, 20 m) of the clear, snow-free
BigEarthNet L2A patches of the project's test data. Roofs, asphalt, rock, sand, salt and the like, spreads and most
backscatter are estimates; that of sea, pasture, forest and towns was checked against Sentinel-1 of those patches.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from unclouded.bands import BANDS

RADAR = ("VV", "VH")
CHANNELS = len(BANDS) + len(RADAR)

# DN (reflectance x 10000) of B01..B12 in the order of `bands.BANDS`, then VV and VH in dB.
_TABLE: dict[str, tuple[float, ...]] = {
    "sea": (140, 175, 150, 50, 32, 24, 24, 22, 20, 16, 1, 17, 16, -19.5, -29.5),
    "turbid water": (250, 330, 430, 330, 290, 210, 205, 190, 175, 150, 1, 110, 95, -19.0, -28.5),
    "river": (500, 640, 860, 560, 470, 330, 340, 320, 300, 300, 2, 180, 120, -18.5, -27.5),
    "lake": (95, 100, 115, 72, 68, 60, 60, 58, 55, 50, 1, 38, 32, -20.5, -28.0),
    "bog water": (60, 52, 60, 66, 72, 74, 76, 74, 70, 60, 1, 45, 38, -18.0, -26.0),
    "conifer": (95, 140, 262, 160, 430, 1210, 1450, 1540, 1610, 1730, 3, 680, 320, -10.0, -15.2),
    "broadleaf": (200, 186, 420, 212, 720, 2720, 3430, 3540, 3670, 3620, 5, 1500, 665, -9.6, -14.8),
    "bare broadleaf": (250, 330, 460, 520, 780, 1180, 1340, 1450, 1560, 1620, 4, 1620, 930, -9.8, -15.6),
    "autumn broadleaf": (190, 250, 470, 620, 1080, 1900, 2150, 2300, 2420, 2450, 4, 1500, 760, -9.8, -15.2),
    "evergreen oak": (190, 240, 400, 360, 720, 1560, 1790, 1900, 1990, 2010, 4, 1330, 720, -10.6, -16.4),
    "crop": (290, 285, 670, 315, 1130, 3750, 4560, 4720, 4860, 4680, 6, 1960, 910, -11.8, -17.6),
    "grass": (330, 370, 770, 470, 1290, 3320, 3930, 4100, 4260, 4160, 6, 2250, 1180, -11.6, -17.2),
    "dry grass": (560, 780, 1090, 1340, 1690, 2150, 2360, 2510, 2620, 2660, 6, 2990, 2260, -13.0, -20.2),
    "ripe crop": (520, 720, 1060, 1330, 1740, 2450, 2720, 2880, 3010, 3000, 6, 2900, 1950, -12.0, -18.4),
    "stubble": (760, 1030, 1420, 1740, 2130, 2680, 2900, 3040, 3130, 3080, 6, 3300, 2540, -12.2, -19.6),
    "light soil": (1150, 1450, 1900, 2300, 2620, 3050, 3250, 3300, 3420, 3300, 8, 3850, 3250, -11.5, -19.8),
    "brown soil": (520, 690, 930, 1180, 1400, 1680, 1830, 1950, 2070, 2050, 5, 2550, 2100, -10.8, -19.0),
    "dark soil": (150, 220, 290, 390, 470, 560, 640, 720, 780, 820, 3, 1330, 1090, -9.2, -18.0),
    "red soil": (480, 660, 990, 1430, 1720, 2020, 2180, 2290, 2390, 2360, 6, 3050, 2500, -11.5, -19.6),
    "shrub": (200, 270, 450, 410, 800, 1620, 1850, 1990, 2070, 2110, 4, 1600, 920, -11.6, -17.4),
    "heath": (230, 300, 460, 530, 830, 1330, 1510, 1640, 1740, 1790, 4, 1800, 1130, -12.6, -18.6),
    "bog": (270, 380, 640, 650, 1130, 1960, 2230, 2400, 2500, 2550, 5, 2080, 1250, -11.6, -19.2),
    "reed": (430, 540, 780, 920, 1230, 1720, 1930, 2060, 2160, 2230, 5, 2260, 1560, -11.4, -18.6),
    "marsh": (240, 310, 560, 470, 1020, 2130, 2450, 2600, 2720, 2740, 5, 1650, 850, -11.8, -18.8),
    "mud": (420, 560, 730, 800, 900, 960, 980, 980, 980, 940, 3, 620, 470, -16.0, -25.0),
    "sand": (1800, 2250, 2800, 3200, 3480, 3720, 3830, 3900, 4010, 3850, 10, 4450, 4050, -15.5, -24.5),
    "salt": (3900, 4300, 4600, 4750, 4850, 4900, 4900, 4880, 4800, 4200, 8, 2000, 1400, -16.5, -25.0),
    "brine": (700, 950, 1150, 1250, 1200, 820, 780, 720, 660, 560, 2, 160, 120, -19.5, -28.0),
    "rock": (850, 1010, 1230, 1390, 1550, 1760, 1880, 1980, 2060, 2060, 8, 2350, 2050, -10.0, -17.5),
    "quarry": (1900, 2250, 2700, 3050, 3250, 3420, 3500, 3550, 3620, 3450, 10, 3800, 3400, -10.5, -18.5),
    "burnt": (260, 330, 430, 500, 640, 850, 960, 1060, 1180, 1230, 5, 1900, 1650, -12.0, -19.5),
    "asphalt": (720, 860, 1050, 1130, 1260, 1480, 1570, 1640, 1720, 1760, 6, 1900, 1720, -12.5, -20.0),
    "gravel": (980, 1240, 1580, 1800, 2040, 2380, 2520, 2600, 2700, 2660, 8, 3000, 2600, -12.0, -19.5),
    "red roof": (620, 780, 1080, 1680, 2000, 2320, 2450, 2560, 2680, 2700, 6, 3150, 2800, -3.5, -11.5),
    "grey roof": (1000, 1180, 1360, 1470, 1600, 1800, 1880, 1960, 2040, 2060, 8, 2250, 2150, -3.0, -11.0),
    "white roof": (3100, 3500, 3750, 3900, 4050, 4250, 4300, 4350, 4400, 4200, 12, 4250, 3900, -1.5, -10.0),
}

MATERIALS: dict[str, int] = {name: index for index, name in enumerate(_TABLE)}
"""Rows of the arrays that `surface` returns."""

SOILS = ("light soil", "brown soil", "dark soil", "red soil")

# Days by which the growing season is later than in central Europe, by zone.
_DELAY = {"boreal": 24, "baltic": 12, "atlantic": -4, "alpine": 6, "pannonian": -6, "mediterranean": -38}
# Greenness of grass on days 15, 75, 135, 195, 255, 315: mild winters in the west, dry summers in the south.
_GREEN_DAYS = (-50, 15, 75, 135, 195, 255, 315, 380)
_GREEN = {
    "boreal": (0.2, 0.15, 0.2, 0.75, 1.0, 0.85, 0.35, 0.15),
    "baltic": (0.3, 0.25, 0.35, 0.95, 0.9, 0.75, 0.5, 0.25),
    "atlantic": (0.8, 0.75, 0.85, 1.0, 0.95, 0.95, 0.85, 0.75),
    "alpine": (0.4, 0.3, 0.4, 0.95, 1.0, 0.85, 0.55, 0.3),
    "pannonian": (0.3, 0.25, 0.45, 0.9, 0.6, 0.4, 0.4, 0.25),
    "mediterranean": (0.7, 0.8, 0.9, 0.6, 0.15, 0.08, 0.4, 0.8),
}
# Winter cereals and summer crops: green and dry cover by day of the year in central Europe.
_CEREAL_DAYS = (0, 60, 105, 135, 168, 190, 205, 218, 245, 275, 300, 366)
_CEREAL_GREEN = (0.30, 0.30, 0.65, 0.95, 0.90, 0.25, 0.05, 0.03, 0.05, 0.05, 0.20, 0.30)
_CEREAL_DRY = (0.05, 0.05, 0.02, 0.02, 0.08, 0.70, 0.90, 0.60, 0.40, 0.10, 0.05, 0.05)
_SUMMER_DAYS = (0, 120, 145, 175, 200, 245, 270, 285, 310, 366)
_SUMMER_GREEN = (0.06, 0.06, 0.12, 0.55, 0.95, 0.88, 0.35, 0.05, 0.05, 0.06)
_SUMMER_DRY = (0.15, 0.05, 0.02, 0.02, 0.02, 0.08, 0.60, 0.60, 0.35, 0.15)


@dataclass(frozen=True)
class Season:
    """State of the vegetation on a date.

    Attributes:
        zone: climate, a key of `landscapes.labels.ZONES`.
        day: day of the year at the same stage in central Europe.
        green: greenness of grass, 0 to 1.
        leaf: leaf cover of deciduous trees, 0 to 1.
        autumn: autumn colour of their leaves, 0 to 1.
    """

    zone: str
    day: float
    green: float
    leaf: float
    autumn: float

    @classmethod
    def of(cls, zone: str, day_of_year: int) -> Season:
        """The season in `zone` on a day of the year."""
        day = float(day_of_year - _DELAY[zone])
        green = float(np.interp(day_of_year, _GREEN_DAYS, _GREEN[zone]))
        # Where spring is late, autumn is early.
        fall = day_of_year + 0.6 * _DELAY[zone]
        leaf = float(np.interp(day, (105, 135), (0, 1)) * np.interp(fall, (285, 315), (1, 0)))
        autumn = float(np.interp(fall, (262, 287), (0, 1)))
        return cls(zone, day, green, leaf, autumn)

    def crop_cover(
        self, summer_crop: NDArray[np.bool_], shift: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Green and dry cover (n,) of fields, each 0 to 1, that are `shift` (n,) days late."""
        day = np.clip(self.day - shift, 0, 366)
        green = np.where(
            summer_crop, np.interp(day, _SUMMER_DAYS, _SUMMER_GREEN), np.interp(day, _CEREAL_DAYS, _CEREAL_GREEN)
        )
        dry = np.where(
            summer_crop, np.interp(day, _SUMMER_DAYS, _SUMMER_DRY), np.interp(day, _CEREAL_DAYS, _CEREAL_DRY)
        )
        return green, dry


def surface(season: Season, rng: np.random.Generator) -> NDArray[np.float32]:
    """Spectra of one acquisition: (len(MATERIALS), 15) reflectance of 13 bands, then linear VV and VH.

    Vegetation follows the season. A residual of the atmospheric correction, a bluish veil or its opposite, and a few
    per cent of variation of each material, smooth over wavelength, are added.
    """
    table = np.array(list(_TABLE.values()))
    table[:, : len(BANDS)] /= 10_000
    table[:, len(BANDS) :] = 10 ** (table[:, len(BANDS) :] / 10)

    def row(name: str) -> NDArray[np.float64]:
        values: NDArray[np.float64] = table[MATERIALS[name]].copy()
        return values

    turned = season.autumn * row("autumn broadleaf") + (1 - season.autumn) * row("broadleaf")
    table[MATERIALS["broadleaf"]] = season.leaf * turned + (1 - season.leaf) * row("bare broadleaf")
    lush, withered = row("grass"), row("dry grass")
    if season.zone != "mediterranean":
        withered[: len(BANDS)] *= 0.58  # winter grass is wet and dark, unlike dry grass in southern summers
    for name, share in (("grass", 1.0), ("marsh", 0.7), ("bog", 0.3), ("reed", 0.4), ("heath", 0.15), ("shrub", 0.15)):
        keeps = season.green if name == "grass" else 1 - share * (1 - season.green)
        table[MATERIALS[name]] = keeps * (lush if name == "grass" else row(name)) + (1 - keeps) * withered

    wavelength = np.array([band.wavelength for band in BANDS])
    smooth = np.stack([np.ones_like(wavelength), np.log(wavelength / 800), np.log(wavelength / 800) ** 2])
    own = rng.normal(0, (0.05, 0.04, 0.03), (len(table), 3)) + rng.normal(0, (0.04, 0.04, 0.02))
    table[:, : len(BANDS)] *= np.exp(own @ smooth)
    veil = rng.normal(0.0005, 0.0035) * (wavelength / 490) ** -1.8
    table[:, : len(BANDS)] = np.maximum(table[:, : len(BANDS)] + veil, 0.0001)
    table[:, len(BANDS) :] *= 10 ** (rng.normal(0, 0.6, (1, len(RADAR))) / 10)
    return table.astype(np.float32)
