"""Which of the 43 classes occur together in a simulated patch, with the class imbalance of BigEarthNet.

Class frequencies are those published for the 590,326 patches of BigEarthNet v1 (Sumbul et al. 2019, "BigEarthNet: a
large-scale benchmark archive for remote sensing image understanding", IGARSS). Countries, seasons and cloudy patches
are counted in the official lists (`s1_s2_name_country_season.csv` and `patches_with_cloud_and_shadow.csv`, in the
package `bigearthnet-common` 2.8.0). The lists have no labels, so the co-occurrence of classes follows from weights by
climate zone and kind of landscape, chosen by hand; they do not change the overall frequency of a class.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

PATCHES = 590_326
"""Patches of BigEarthNet v1."""

SEASONS = ("Winter", "Spring", "Summer", "Fall")
ZONES = ("boreal", "baltic", "atlantic", "alpine", "pannonian", "mediterranean")


@dataclass(frozen=True)
class Country:
    """A country of BigEarthNet: its climate zone, and patches and cloudy patches by season in order of `SEASONS`."""

    zone: str
    longitude: float
    patches: tuple[int, int, int, int]
    cloudy: tuple[int, int, int, int]


COUNTRIES: dict[str, Country] = {
    "Austria": Country("alpine", 14.0, (6906, 21866, 10653, 6978), (137, 4, 150, 15)),
    "Belgium": Country("atlantic", 4.5, (1975, 3880, 1975, 3871), (0, 0, 0, 145)),
    "Finland": Country("boreal", 25.0, (45350, 86169, 39709, 61802), (258, 511, 1544, 1747)),
    "Ireland": Country("atlantic", -8.0, (16234, 12227, 15935, 8257), (1201, 223, 28, 1972)),
    "Kosovo": Country("pannonian", 21.0, (2140, 0, 0, 0), (216, 0, 0, 0)),
    "Lithuania": Country("baltic", 24.0, (0, 17180, 16047, 25473), (0, 134, 268, 42)),
    "Luxembourg": Country("atlantic", 6.1, (0, 1741, 0, 1740), (0, 0, 0, 137)),
    "Portugal": Country("mediterranean", -8.2, (24447, 24827, 24843, 25131), (62, 1, 0, 0)),
    "Serbia": Country("pannonian", 21.0, (19781, 21386, 14719, 22129), (347, 123, 0, 0)),
    "Switzerland": Country("alpine", 8.2, (0, 0, 4955, 0), (0, 0, 15, 0)),
}

LANDSCAPES = ("sea", "coast", "farmland", "forest", "town", "wetland", "upland")
# Share of each landscape in each zone, in the order of LANDSCAPES.
_SHARES = {
    "boreal": (0.135, 0.060, 0.125, 0.545, 0.035, 0.070, 0.030),
    "baltic": (0.050, 0.025, 0.520, 0.310, 0.060, 0.025, 0.010),
    "atlantic": (0.120, 0.050, 0.570, 0.075, 0.070, 0.065, 0.050),
    "alpine": (0.000, 0.000, 0.470, 0.300, 0.100, 0.010, 0.120),
    "pannonian": (0.000, 0.000, 0.560, 0.310, 0.075, 0.015, 0.040),
    "mediterranean": (0.100, 0.055, 0.390, 0.320, 0.070, 0.015, 0.050),
}

# Class: patches that show it, weight by zone (order of ZONES), weight by landscape (order of LANDSCAPES).
_CLASSES: dict[str, tuple[int, tuple[float, ...], tuple[float, ...]]] = {
    "Continuous urban fabric": (10784, (0.3, 0.5, 1, 1, 1, 3), (0, 1, 0.1, 0, 9, 0, 0)),
    "Discontinuous urban fabric": (69872, (0.6, 0.9, 1.3, 1.3, 1.2, 1), (0, 1, 0.7, 0.1, 9, 0.1, 0.1)),
    "Industrial or commercial units": (12895, (1, 1, 1, 1, 1, 1), (0, 1, 0.3, 0.1, 9, 0.1, 0)),
    "Road and rail networks and associated land": (3384, (1, 1, 1, 1, 1, 2), (0, 0, 1, 0.3, 4, 0, 0)),
    "Port areas": (509, (1, 0.5, 1, 0, 0, 1.5), (0, 9, 0, 0, 2, 0, 0)),
    "Airports": (979, (1, 1, 1, 1, 1, 1), (0, 0, 2, 1, 4, 0, 0)),
    "Mineral extraction sites": (4618, (0.7, 0.7, 1, 1, 1, 1), (0, 0.3, 1, 1, 1.5, 1, 1)),
    "Dump sites": (959, (1, 1, 0.5, 0.5, 1, 0.5), (0, 0, 1, 1, 3, 0.5, 0)),
    "Construction sites": (1174, (0.3, 0.5, 1, 1, 1, 2), (0, 0.3, 1, 0.3, 5, 0, 0)),
    "Green urban areas": (1786, (1, 1.2, 1, 0.6, 1, 0.3), (0, 0, 0, 0, 9, 0, 0)),
    "Sport and leisure facilities": (5353, (2, 0.5, 1.5, 0.7, 0.5, 0.6), (0, 1, 0.5, 0.7, 5, 0, 0)),
    "Non-irrigated arable land": (196695, (2, 6, 2.5, 4, 6, 1.3), (0, 0.6, 9, 1.8, 4, 2.5, 0.6)),
    "Permanently irrigated land": (13589, (0, 0, 0, 0, 0.2, 3), (0, 0.3, 4, 0.4, 1, 0.6, 0)),
    "Rice fields": (3793, (0, 0, 0, 0, 0, 3), (0, 0.8, 3, 0.1, 0.3, 1, 0)),
    "Vineyards": (9567, (0, 0, 0, 1, 0.4, 3), (0, 0.1, 3, 0.6, 1, 0, 0.2)),
    "Fruit trees and berry plantations": (4754, (0.05, 0.3, 0.3, 0.3, 2, 1.5), (0, 0.1, 3, 0.6, 1, 0, 0)),
    "Olive groves": (12538, (0, 0, 0, 0, 0, 3), (0, 0.1, 3, 1, 1, 0, 0.3)),
    "Pastures": (103554, (0.12, 3, 9, 3, 1.5, 0.5), (0, 1.2, 6, 1.5, 2.5, 2.5, 2)),
    "Annual crops associated with permanent crops": (7022, (0, 0, 0, 0, 0.1, 3), (0, 0.2, 3, 0.8, 1.5, 0, 0)),
    "Complex cultivation patterns": (107786, (0.5, 5, 1.5, 3, 4, 3.5), (0, 0.6, 5, 2, 4, 0.8, 0.5)),
    "Land principally occupied by agriculture, with significant areas of natural vegetation": (
        147095,
        (1.8, 3.5, 1.5, 2, 4, 3),
        (0, 1, 5, 3.5, 2.5, 2, 1.5),
    ),
    "Agro-forestry areas": (30674, (0, 0, 0, 0, 0, 3), (0, 0, 4, 2, 0.5, 0.1, 0.5)),
    "Broad-leaved forest": (150944, (0.6, 2.2, 1, 2.5, 6, 4), (0, 0.8, 2.4, 8, 1.2, 2, 3)),
    "Coniferous forest": (211703, (8, 4, 1.3, 5, 0.6, 1.6), (0, 3, 1.7, 8, 2, 6, 3.5)),
    "Mixed forest": (217119, (8, 4, 1, 4, 1, 2), (0, 3, 2, 8, 2, 5, 2.5)),
    "Natural grassland": (12835, (0.05, 0.3, 1.2, 4, 2, 2), (0, 0.6, 0.5, 0.6, 0.1, 0.5, 9)),
    "Moors and heathland": (5890, (0.2, 0, 3, 2.5, 0.05, 2.5), (0, 0.8, 0.2, 0.5, 0, 1, 9)),
    "Sclerophyllous vegetation": (11241, (0, 0, 0, 0, 0.05, 3), (0, 2, 1, 2, 0.7, 0.3, 5)),
    "Transitional woodland/shrub": (173506, (5, 2.5, 2.5, 0.4, 2.5, 6), (0, 1.8, 1.5, 6.5, 1, 5, 4)),
    "Beaches, dunes, sands": (1578, (0.3, 0.7, 2, 0.2, 0.1, 3), (0, 9, 0.02, 0.01, 0, 0, 0)),
    "Bare rock": (3277, (0.8, 0, 1, 5, 0.1, 1), (0, 1.5, 0, 0.1, 0, 0, 6)),
    "Sparsely vegetated areas": (1563, (0.1, 0, 0.7, 4, 0.5, 1.5), (0, 0.4, 0, 0.1, 0, 0, 6)),
    "Burnt areas": (328, (0, 0, 0.1, 0, 0.2, 3), (0, 0, 0.3, 2, 0.1, 0, 1)),
    "Inland marshes": (6236, (1, 1.5, 0.7, 0.5, 1, 0.3), (0, 1, 0.4, 0.4, 0.2, 5, 0)),
    "Peatbogs": (23207, (3, 0.7, 6, 0.1, 0, 0), (0, 0.3, 0.3, 0.8, 0, 8, 4)),
    "Salt marshes": (1562, (0, 0, 1.3, 0, 0, 2), (0, 9, 0.1, 0, 0.1, 2, 0)),
    "Salines": (424, (0, 0, 0, 0, 0, 2), (0, 9, 0.2, 0, 0.1, 2, 0)),
    "Intertidal flats": (1003, (0, 0, 2, 0, 0, 1), (0, 9, 0, 0, 0, 0, 0)),
    "Water courses": (10572, (1.2, 0.8, 0.7, 1, 1.5, 0.8), (0, 0.5, 1.5, 1, 1.5, 1.5, 0.3)),
    "Water bodies": (83811, (6, 1.7, 1, 0.6, 0.5, 0.8), (0, 0.8, 1.2, 3.8, 1.5, 4.5, 1)),
    "Coastal lagoons": (1498, (0.05, 3, 0.5, 0, 0, 1), (0.02, 9, 0, 0, 0, 0.3, 0)),
    "Estuaries": (1086, (0.1, 0, 2, 0, 0, 2), (0.02, 9, 0.05, 0, 0.1, 0, 0)),
    "Sea and ocean": (81612, (3, 1.5, 3, 0, 0, 2.5), (9, 9, 0, 0, 0, 0, 0)),
}

NAMES: tuple[str, ...] = tuple(_CLASSES)
"""The 43 classes in the order of CORINE."""
FREQUENCY: dict[str, float] = {name: count / PATCHES for name, (count, _, _) in _CLASSES.items()}
"""Share of BigEarthNet's patches that show each class."""

_MOST_FREQUENT = 0.97
"""Largest probability of a class in the patches of a zone and landscape."""


def draw(zone: str, rng: np.random.Generator) -> tuple[str, tuple[str, ...]]:
    """Draw a landscape of a zone, and the classes of a patch of it, at least one."""
    place = ZONES.index(zone)
    landscape = int(rng.choice(len(LANDSCAPES), p=_SHARES[zone]))
    chance = _chances()[place, landscape]
    chosen = np.flatnonzero(rng.random(len(NAMES)) < chance)
    if not chosen.size:
        chosen = rng.choice(len(NAMES), 1, p=chance / chance.sum())
    return LANDSCAPES[landscape], tuple(NAMES[index] for index in chosen)


@lru_cache(maxsize=1)
def _chances() -> NDArray[np.float64]:
    """Probability of each class in each zone and landscape, (6, 7, 43), which gives its overall frequency."""
    patches = np.zeros(len(ZONES))
    for country in COUNTRIES.values():
        patches[ZONES.index(country.zone)] += sum(country.patches)
    cell = (patches / patches.sum())[:, None] * np.array([_SHARES[zone] for zone in ZONES])
    weight = np.stack([np.outer(zones, places) for _, zones, places in _CLASSES.values()], axis=-1)
    target = np.array(list(FREQUENCY.values()))
    drawn_frequency = target.copy()
    chance = np.zeros_like(weight)
    for _ in range(30):
        low, high = np.zeros(len(target)), np.full(len(target), 1e4)
        for _ in range(50):
            scale = (low + high) / 2
            chance = np.minimum(_MOST_FREQUENT, scale * weight)
            short = np.einsum("zl,zlc->c", cell, chance) < drawn_frequency
            low, high = np.where(short, scale, low), np.where(short, high, scale)
        # A patch in which no class was drawn gets one: the frequency that is drawn is reduced by these.
        empty = cell * (1 - chance).prod(-1)
        extra = np.einsum("zl,zlc->c", empty, chance / np.maximum(chance.sum(-1, keepdims=True), 1e-9))
        drawn_frequency = np.maximum(target - extra, 0.2 * target)
    return chance
