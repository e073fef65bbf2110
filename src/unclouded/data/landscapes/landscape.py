"""Procedural landscapes: a simulated Sentinel-2 patch, its radar image and its land-cover labels, from a seed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt, gaussian_filter

from unclouded.data.landscapes.canvas import Canvas, Mask
from unclouded.data.landscapes.covers import COVERS
from unclouded.data.landscapes.labels import COUNTRIES, NAMES, draw
from unclouded.data.landscapes.shapes import SIZE, Field, curve, divide, grid, line, noise, parcels
from unclouded.data.landscapes.spectra import SOILS, Season, surface

_OPEN_WATER = ("Sea and ocean", "Water bodies", "Coastal lagoons", "Estuaries")
_SHORE = ("Beaches, dunes, sands", "Port areas", "Salt marshes", "Intertidal flats", "Salines", "Bare rock")
# Classes whose borders follow parcels.
_ANGULAR = frozenset(NAMES[:22])
_NATURAL = frozenset((*_OPEN_WATER, *_SHORE, "Water courses", "Inland marshes", "Peatbogs", "Bare rock"))
# Standard deviation of the terrain in metres, and its factor by kind of landscape.
_RELIEF = {"boreal": 12.0, "baltic": 9.0, "atlantic": 18.0, "alpine": 60.0, "pannonian": 28.0, "mediterranean": 32.0}
_RUGGED = {"upland": 3.0, "forest": 1.6, "farmland": 0.5, "town": 0.4, "wetland": 0.3, "coast": 0.7, "sea": 0.0}
_LATITUDE = {"boreal": 63, "baltic": 55.5, "atlantic": 52, "alpine": 47.7, "pannonian": 44, "mediterranean": 39.5}
# Probabilities of light, brown, dark and red soil.
_SOIL_CHANCES = {
    "boreal": (0.1, 0.65, 0.2, 0.05),
    "baltic": (0.3, 0.6, 0.1, 0.0),
    "atlantic": (0.2, 0.7, 0.1, 0.0),
    "alpine": (0.4, 0.5, 0.1, 0.0),
    "pannonian": (0.2, 0.4, 0.4, 0.0),
    "mediterranean": (0.35, 0.3, 0.0, 0.35),
}
LEAST_SHARE = 0.01
"""Least share of a patch that a class covers to be among its labels."""


@dataclass(frozen=True)
class Acquisition:
    """One overpass: what its patches have in common.

    Attributes:
        name: as BigEarthNet names one, such as `SIM_MSIL2A_20170613T101031`.
        country: a key of `landscapes.labels.COUNTRIES`.
        day: of the overpass.
        seed: of its spectra.
    """

    name: str
    country: str
    day: date
    seed: int

    @property
    def zone(self) -> str:
        """Climate zone."""
        return COUNTRIES[self.country].zone

    @property
    def sun(self) -> tuple[float, float]:
        """Elevation and azimuth of the sun in radians, at 10:30 local solar time, as Sentinel-2 passes."""
        declination = math.radians(23.44) * math.sin(2 * math.pi * (self.day.timetuple().tm_yday - 80) / 365.25)
        latitude, hour = math.radians(_LATITUDE[self.zone]), math.radians(-22.5)
        up = math.sin(latitude) * math.sin(declination) + math.cos(latitude) * math.cos(declination) * math.cos(hour)
        east = -math.cos(declination) * math.sin(hour)
        north = math.cos(latitude) * math.sin(declination) - math.sin(latitude) * math.cos(declination) * math.cos(hour)
        # BigEarthNet holds no image with the sun lower than about 5 degrees.
        return max(math.asin(up), math.radians(6)), math.atan2(east, north)


@dataclass(frozen=True)
class Landscape:
    """A simulated patch without clouds.

    Attributes:
        reflectance: (13, 120, 120) surface reflectance, all bands at 10 m.
        radar: (2, 120, 120) VV and VH in dB.
        cover: (120, 120) index into `landscapes.labels.NAMES`.
        labels: the classes present, in the order of CORINE.
    """

    reflectance: NDArray[np.float32]
    radar: NDArray[np.float32]
    cover: NDArray[np.uint8]
    labels: tuple[str, ...]


def landscape(acquisition: Acquisition, rng: np.random.Generator) -> Landscape:
    """Simulate the ground of one patch (120 x 120 pixels of 10 m), free of cloud and snow."""
    zone = acquisition.zone
    season = Season.of(zone, acquisition.day.timetuple().tm_yday)
    kind, classes = draw(zone, rng)
    # By a generator of the acquisition, so that its patches have the same spectra in whatever order they are made.
    materials = surface(season, np.random.default_rng(acquisition.seed))
    soil = SOILS[int(rng.choice(len(SOILS), p=_SOIL_CHANCES[zone]))]
    relief = _RELIEF[zone] * _RUGGED[kind] * float(np.exp(rng.normal(0, 0.4)))
    canvas = Canvas(rng, season, materials, soil, relief)
    cover = _arrange(rng, kind, classes)
    shown = [index for index in range(len(NAMES)) if (cover == index).any()]
    # Water first, since beaches and quays depend on it.
    for index in sorted(shown, key=lambda index: NAMES[index] not in _OPEN_WATER):
        COVERS[NAMES[index]](canvas, cover == index)
    dry = ~canvas.water
    if kind in ("farmland", "town", "forest", "coast") and rng.random() < 0.6:
        _road(canvas, dry)
    canvas.terrain = _flatten(canvas.terrain, canvas.water)
    canvas.illuminate(*acquisition.sun)
    share = np.bincount(cover.ravel(), minlength=len(NAMES)) / cover.size
    labels = tuple(name for name, part in zip(NAMES, share, strict=True) if part >= LEAST_SHARE)
    return Landscape(canvas.reflectance(), canvas.backscatter(), cover.astype(np.uint8), labels)


def _arrange(rng: np.random.Generator, kind: str, classes: tuple[str, ...]) -> NDArray[np.int64]:
    """Distribute the classes over the patch: (120, 120) index into `NAMES`."""
    index = np.array([NAMES.index(name) for name in classes])
    if len(classes) == 1:
        return np.full((SIZE, SIZE), index[0])
    shares = np.maximum(rng.dirichlet(np.full(len(classes), 1.3)), 0.05)
    for position, name in enumerate(classes):
        if name == "Water courses":
            shares[position] = 0.03
        if name in _SHORE and kind == "coast":
            shares[position] = min(shares[position], 0.1)
    narrow = np.array([name == "Water courses" or (name in _SHORE and kind == "coast") for name in classes])
    if not narrow.all():
        shares[~narrow] *= (1 - shares[narrow].sum()) / shares[~narrow].sum()
    shares /= shares.sum()
    fields = np.stack([_suitability(rng, name, kind) for name in classes])
    blocks = parcels(rng, float(rng.uniform(11, 22)), 1.5, float(rng.uniform(1.5, 6)), 3)
    for position, name in enumerate(classes):
        if name not in _NATURAL:
            snapped = 0.9 if name in _ANGULAR else 0.55
            fields[position] = (1 - snapped) * fields[position] + snapped * blocks.mean(fields[position])
    sea = [position for position, name in enumerate(classes) if name in _OPEN_WATER]
    ashore = [position for position, name in enumerate(classes) if name in _SHORE]
    if sea and ashore:
        first = divide(fields, shares)
        near = distance_transform_edt(~np.isin(first, sea)).astype(np.float32)
        reach = 4 + 90 * shares[ashore].sum()
        fields[ashore] = 0.35 * fields[ashore] + 2.5 * np.exp(-((near / reach) ** 2)) - 1.0
    return np.asarray(index[divide(fields, shares)], np.int64)


def _suitability(rng: np.random.Generator, name: str, kind: str) -> Field:
    """Suitability of each pixel for a class, (120, 120), about standardised."""
    if name == "Water courses":
        return np.asarray(1.5 - 0.6 * curve(rng, float(rng.uniform(6, 22))), np.float32)
    if name in _OPEN_WATER:
        # Seas lie on one side, lakes inside; both have irregular shores.
        level = noise(rng, 4.0, 80.0)[0]
        if kind == "coast":
            rows, columns = grid()
            side = rng.uniform(0, 2 * np.pi)
            level = 0.7 * level + (rows * np.float32(np.cos(side)) + columns * np.float32(np.sin(side))) / 40
        return np.asarray(1.6 * level, np.float32)
    return np.asarray(noise(rng, 3.7, 80.0)[0], np.float32)


def _road(canvas: Canvas, dry: Mask) -> None:
    """Add one or two roads, straight to winding, a few of them motorways."""
    rng = canvas.rng
    for _ in range(int(rng.integers(1, 3))):
        way = curve(rng, float(rng.uniform(0, 14)))
        width = 3.0 if rng.random() < 0.12 else float(rng.uniform(0.5, 1.1))
        canvas.lay("asphalt" if width > 0.9 else "gravel", dry, line(way, width) * 0.85)
        canvas.height[dry & (way < width / 2 + 0.3)] = 0


def _flatten(terrain: Field, water: Mask) -> Field:
    """Terrain (120, 120) that becomes flat towards the water."""
    if not water.any():
        return terrain
    weight = gaussian_filter(np.clip(distance_transform_edt(~water) / 12, 0, 1).astype(np.float32), 2.0)
    return np.asarray(terrain * weight, np.float32)
